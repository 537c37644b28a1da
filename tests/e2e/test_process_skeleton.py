"""Master, builders and workers without a proxy: the echo daemon of tests/support/echo_daemon.c."""
import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time

import pytest

from harness import WAIT, free_port, wait_until

STEPS = ["load", "0", "1", "2", "prepare", "3", "4"]


def children(pid):
    try:
        return [int(c) for t in pathlib.Path(f"/proc/{pid}/task").iterdir()
                for c in (t / "children").read_text().split()]
    except OSError:
        return []


def descendants(pid):
    below = children(pid)
    return below + [d for c in below for d in descendants(c)]


def is_running(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] != "Z"
    except OSError:
        return False


def descriptors(pid):
    folder = pathlib.Path(f"/proc/{pid}/fd")
    found = []
    for fd in folder.iterdir():
        with contextlib.suppress(OSError):
            found.append(os.readlink(fd))
    return [f for f in found if not f.endswith("/pid")]  # it is there a moment before it is closed


class Echo:
    def __init__(self, binary, folder, lines, wait=True):
        self.folder, self.binary = folder, str(binary)
        self.log_path, self.pid_path, self.config = folder / "log", folder / "pid", folder / "config"
        self.port = free_port()
        self.write(lines)
        environment = dict(os.environ, ASAN_OPTIONS=f"log_path={folder}/asan:detect_leaks=1:exitcode=99")
        self.output = open(folder / "output", "wb")
        self.process = subprocess.Popen([self.binary, str(self.config)], stdin=subprocess.DEVNULL, stdout=self.output,
                                        stderr=self.output, env=environment)
        self.pid = self.process.pid
        if wait:
            wait_until(lambda: self.pid_path.exists() and self.pid_path.read_text(), "the pid file")

    def write(self, lines):
        text = (f"pid {self.pid_path}\nlog {self.log_path}\n" + lines).replace("{port}", str(self.port))
        new = self.folder / "config.new"
        new.write_text(text.replace("{folder}", str(self.folder)))
        new.replace(self.config)

    def log(self):
        return self.log_path.read_text() if self.log_path.exists() else ""

    def logged(self, text, times=1):
        wait_until(lambda: self.log().count(text) >= times, f"{text!r} in\n{self.log()}\n")

    def send(self, number):
        os.kill(self.pid, number)

    def reload(self, lines):
        """Returns when the old workers take no connections any more."""
        self.write(lines)
        before = self.log().count("gracefully shutting down")
        self.send(signal.SIGHUP)
        self.logged("gracefully shutting down", before + 1)

    def connect(self, port=None):
        sock = socket.create_connection(("127.0.0.1", port or self.port), timeout=WAIT)
        return sock, read_line(sock)

    def greeting(self):
        sock, line = self.connect()
        sock.close()
        return line.split()[0]

    def builders(self):
        return children(self.pid)

    def workers(self):
        return [w for b in self.builders() for w in children(b)]

    def settled(self, workers):
        """One builder and its workers, and nobody else."""
        wait_until(lambda: len(self.builders()) == 1 and len(self.workers()) == workers and
                   all(is_running(p) for p in descendants(self.pid)),
                   f"1 builder and {workers} workers, not {self.builders()} {self.workers()}:\n{self.log()[-2000:]}")

    def stop(self, how=signal.SIGQUIT):
        self.send(how)
        return self.process.wait(WAIT)

    def close(self):
        everybody = [self.pid, *descendants(self.pid)]
        if self.process.poll() is None:
            self.send(signal.SIGTERM)
            self.process.wait(WAIT)
        self.output.close()
        wait_until(lambda: not any(is_running(p) for p in everybody), f"the end of {everybody}")
        reports = [p.read_text() for p in self.folder.glob("asan*")]
        assert not [r for r in reports if "told to fail" not in r and "ERROR" in r], reports


def read_line(sock):
    data = b""
    while not data.endswith(b"\n"):
        more = sock.recv(1024)
        if not more:
            raise ConnectionError(f"closed after {data!r}")
        data += more
    return data.decode().strip()


def echoes(sock, text=b"hello\n"):
    sock.sendall(text)
    return read_line(sock).encode() + b"\n" == text


@pytest.fixture
def daemon(binary, tmp_path):
    program = binary.parent / "echo_daemon"
    if not program.exists():
        pytest.skip(f"{program} was not built")
    running = []

    def start(lines, **options):
        folder = tmp_path / f"daemon{len(running)}"
        folder.mkdir()
        running.append(Echo(program, folder, lines, **options))
        return running[-1]

    yield start
    for instance in running:
        instance.close()


PLAIN = "listen 127.0.0.1:{port}\nworkers 2\ngreeting one\n"
SECOND = PLAIN.replace("one", "two")


def test_serves_and_ends_cleanly(daemon):
    d = daemon(PLAIN + "unix {folder}/sock\n")
    assert d.pid_path.read_text() == f"{d.pid}\n"
    assert d.greeting() == "one"
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(d.folder / "sock"))
        assert read_line(s).startswith("one")
    d.settled(2)
    assert d.stop(signal.SIGQUIT) == 0
    assert not d.pid_path.exists() and not (d.folder / "sock").exists()
    for line in ("start worker processes", "gracefully shutting down", "exited with code 0", "exit"):
        assert line in d.log(), d.log()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_term_and_int_end_connections_at_once(daemon, how):
    d = daemon(PLAIN)
    sock, _ = d.connect()
    assert d.stop(how) == 0
    assert sock.recv(1) == b""
    assert "gracefully" not in d.log()


def test_ctrl_c_ends_everybody_once(daemon):
    d = daemon(PLAIN)
    d.settled(2)
    for pid in [*descendants(d.pid), d.pid]:
        os.kill(pid, signal.SIGINT)
    assert d.process.wait(WAIT) == 0
    assert d.log().count("start worker process ") == 2


def test_reload_serves_the_new_file_and_leaves_old_connections_alone(daemon):
    d = daemon(PLAIN)
    old, _ = d.connect()
    d.reload(SECOND)
    assert d.greeting() == "two"
    assert echoes(old)
    assert len(d.builders()) == 2
    old.close()
    d.settled(2)


def count(d):
    sock, line = d.connect()
    sock.close()
    return int(line.split()[2])


def test_a_zone_is_one_for_all_workers_and_outlives_reloads_and_deaths(daemon):
    d = daemon(PLAIN + "zone z 4096\n")
    assert [count(d) for _ in range(6)] == [1, 2, 3, 4, 5, 6]
    d.reload(SECOND + "zone z 4096\n")
    assert count(d) == 7
    os.kill(d.workers()[0], signal.SIGKILL)
    assert count(d) == 8


@pytest.mark.parametrize("other", ["zone other 4096\n", "zone z 8192\n"])
def test_another_name_or_size_is_another_zone_and_an_unused_one_is_forgotten(daemon, other):
    d = daemon(PLAIN + "zone z 4096\n")
    assert count(d) == 1
    d.reload(PLAIN + other)
    # One of the old workers may still take a connection.
    wait_until(lambda: count(d) == 1, "the other zone")
    d.settled(2)
    d.reload(PLAIN + "zone z 4096\n")
    wait_until(lambda: count(d) == 1, "a new zone of the old name")


def test_a_zone_that_cannot_be_made_leaves_the_old_configuration_serving(daemon):
    d = daemon(PLAIN + "zone z 4096\n")
    d.write(SECOND + "zone z 9000000000000000000\n")
    d.send(signal.SIGHUP)
    d.logged('shared memory zone "z" of 9000000000000000000 octets failed')
    assert count(d) == 1


def test_a_zone_without_a_master(daemon):
    d = daemon(PLAIN + "master off\nzone z 4096\n")
    assert [count(d), count(d)] == [1, 2]


def test_quit_waits_for_nobody_idle_but_ends_retired_workers_too(daemon):
    d = daemon(PLAIN)
    old, _ = d.connect()
    d.reload(SECOND)
    assert d.stop(signal.SIGQUIT) == 0
    assert old.recv(1) == b""


def test_shutdown_timeout_ends_old_connections(daemon):
    d = daemon(PLAIN + "shutdown_timeout 100\n")
    old, _ = d.connect()
    d.reload(SECOND)
    assert old.recv(1) == b""
    d.settled(2)


def test_shutdown_timeout_ends_a_worker_that_does_nothing(daemon):
    d = daemon(PLAIN + "shutdown_timeout 100\n")
    old, line = d.connect()
    os.kill(int(line.split()[1]), signal.SIGSTOP)
    d.reload(SECOND)
    d.logged("exited on signal 9")
    assert old.recv(1) == b""
    d.settled(2)


@pytest.mark.parametrize("how", ["exit", "crash"])
@pytest.mark.parametrize("step", STEPS)
def test_a_builder_that_fails_changes_nothing(daemon, step, how):
    d = daemon(PLAIN)
    d.settled(2)
    before = sorted(descriptors(d.pid)), d.workers()
    d.write(SECOND + f"listen 127.0.0.1:{free_port()}\nunix {{folder}}/new\nfail {step} {how}\n")
    d.send(signal.SIGHUP)
    d.logged(f"told to fail at {step}")
    wait_until(lambda: len(d.builders()) == 1, "the failed builder's end")
    wait_until(lambda: sorted(descriptors(d.pid)) == before[0], "its sockets' end")
    assert d.workers() == before[1] and d.greeting() == "one"
    assert not (d.folder / "new").exists()
    d.reload(SECOND)
    # The failed builder's workers may have logged their end in between.
    wait_until(lambda: d.greeting() == "two", "the second configuration")


@pytest.mark.parametrize("step", STEPS)
def test_a_start_that_fails_exits_1(daemon, step):
    d = daemon(PLAIN + f"unix {{folder}}/sock\nfail {step} exit\n", wait=False)
    assert d.process.wait(WAIT) == 1
    assert not d.pid_path.exists() and not (d.folder / "sock").exists()


def test_a_file_that_does_not_load_says_so_on_stderr(daemon):
    d = daemon("nonsense word\n", wait=False)
    assert d.process.wait(WAIT) == 1
    assert '[emerg] ' in (d.folder / "output").read_text()
    assert 'unknown word "nonsense"' in (d.folder / "output").read_text()


def test_an_address_in_use_is_said_in_nginx_words(daemon):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        d = daemon(f"listen 127.0.0.1:{taken.getsockname()[1]}\nworkers 1\n", wait=False)
        assert d.process.wait(WAIT) == 1
        said = (d.folder / "output").read_text()
        assert f"[emerg] bind() to 127.0.0.1:{taken.getsockname()[1]} failed (98: Address already in use)" in said
        assert "still could not bind()" in said and said.count("failed (98") == 1, said


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_worker_that_dies_is_replaced_and_named(daemon, number):
    d = daemon(PLAIN)
    d.settled(2)
    kept, line = d.connect()
    mine = int(line.split()[1])
    victim = next(w for w in d.workers() if w != mine)
    os.kill(victim, number)
    if "asan" not in d.binary or number == signal.SIGKILL:
        d.logged(f"worker process {victim} exited on signal {number}")
    wait_until(lambda: victim not in d.workers() and len(d.workers()) == 2, "a new worker")
    assert echoes(kept)
    kept.close()


def test_one_that_served_is_replaced_whatever_it_says_at_its_end(daemon):
    """Exit status 2 means "cannot start", of those that begin."""
    d = daemon(PLAIN.replace("workers 2", "workers 1"))
    sock, _ = d.connect()
    sock.sendall(b"try exit 2\n")
    assert sock.recv(1) == b""
    d.logged("exited with code 2")
    assert d.greeting() == "one"


def test_listening_sockets_that_a_worker_ended_listen_again_with_the_next(daemon):
    d = daemon(PLAIN)
    sock, line = d.connect()
    sock.sendall(b"try deafen\n")
    assert read_line(sock) == "done"
    with pytest.raises(ConnectionRefusedError):
        d.connect()
    os.kill(int(line.split()[1]), signal.SIGKILL)
    d.logged("start worker process ", 3)
    assert d.greeting() == "one"


def test_workers_that_die_again_and_again_are_replaced_again_and_again(daemon):
    d = daemon(PLAIN)
    d.settled(2)
    builder = d.builders()[0]
    for _ in range(5):
        before = d.log().count("start worker process ")
        os.kill(d.workers()[0], signal.SIGKILL)
        d.logged("start worker process ", before + 1)
    assert d.builders() == [builder]
    d.settled(2)


def test_a_builder_that_dies_is_replaced(daemon):
    d = daemon(PLAIN)
    d.settled(2)
    builder, workers = d.builders()[0], d.workers()
    old, _ = d.connect()
    os.kill(builder, signal.SIGKILL)
    d.logged(f"builder process {builder} exited on signal 9")
    d.settled(2)
    assert d.greeting() == "one"
    wait_until(lambda: not any(is_running(w) for w in workers), "the old workers' end")
    assert old.recv(1) == b""


def test_nobody_outlives_a_killed_master(daemon):
    d = daemon(PLAIN)
    old, _ = d.connect()
    d.reload(SECOND)
    everybody = descendants(d.pid)
    assert len(everybody) >= 5
    d.send(signal.SIGKILL)
    d.process.wait()
    wait_until(lambda: not any(is_running(p) for p in everybody), "everybody's end")
    old.close()
    again = daemon(PLAIN.replace("{port}", str(d.port)))  # the address is free
    again.close()


def test_usr1_reopens_logs_everywhere(daemon):
    d = daemon(PLAIN)
    d.settled(2)
    d.log_path.rename(d.folder / "log.1")
    d.send(signal.SIGUSR1)
    wait_until(d.log_path.exists, "a new log")
    wait_until(lambda: not any("log.1" in f for p in [d.pid, *descendants(d.pid)] for f in descriptors(p)),
               "all to let go of the old log")
    assert "reopening logs" in (d.folder / "log.1").read_text()
    os.kill(d.workers()[0], signal.SIGKILL)
    d.logged("exited on signal 9")
    d.settled(2)
    assert not any("log.1" in f for p in [d.pid, *descendants(d.pid)] for f in descriptors(p))


def test_reload_adds_and_removes_addresses(daemon):
    d = daemon(PLAIN + "unix {folder}/sock\n")
    other = free_port()
    d.reload(SECOND.replace("{port}", str(other)))
    sock, line = d.connect(other)
    assert line.startswith("two")
    sock.close()
    d.settled(2)
    with pytest.raises(ConnectionRefusedError):
        d.connect()
    assert not (d.folder / "sock").exists()


def test_a_log_and_a_pid_file_may_move(daemon):
    d = daemon(PLAIN)
    d.write(SECOND + "log {folder}/log2\npid {folder}/pid2\n")
    d.send(signal.SIGHUP)
    wait_until((d.folder / "pid2").exists, "the new pid file")
    d.settled(2)
    assert not d.pid_path.exists()
    assert not any(f.endswith("/log") for p in [d.pid, *descendants(d.pid)] for f in descriptors(p))


def listening(pid):
    inodes = {line.split()[9] for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
              if line.split()[3] == "0A"}
    return [f for f in descriptors(pid) if f.startswith("socket:[") and f[8:-1] in inodes]


def test_reuseport_gives_each_worker_a_socket_and_loses_none(daemon):
    text = "reuseport 127.0.0.1:{port}\nworkers %d\ngreeting n%d\n"
    d = daemon(text % (3, 3))
    assert len(listening(d.pid)) == 3
    assert all(len(listening(w)) == 1 for w in d.workers())
    with Visitors(d) as visitors:
        for count in (1, 4, 2):
            d.reload(text % (count, count))
            d.settled(count)
            assert len(listening(d.pid)) == (3 if count == 1 else 4)
            assert sum(len(listening(w)) for w in d.workers()) == len(listening(d.pid))
        visitors.wait(50)


class Visitors:
    """Connect, are greeted, echo, and go, all the time; every failure counts but those of killed workers."""

    def __init__(self, d, threads=3):
        self.daemon, self.errors, self.visits, self.cut, self.over = d, [], 0, 0, threading.Event()
        self.threads = [threading.Thread(target=self.run) for _ in range(threads)]

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for t in self.threads:
            t.join()
        assert not self.errors, self.errors[:3]

    def wait(self, visits):
        end = self.visits + visits
        wait_until(lambda: self.visits >= end or self.errors, "visits")

    def run(self):
        while not self.over.is_set():
            try:
                sock, _ = self.daemon.connect()
            except ConnectionRefusedError as e:
                self.errors.append(e)
                return
            except (ConnectionError, TimeoutError) as e:
                self.cut += 1
                self.reason = e
                continue
            with sock:
                try:
                    assert echoes(sock)
                    self.visits += 1
                except ConnectionError:
                    self.cut += 1


def storm(d, seconds, also=lambda: None):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        d.send(signal.SIGHUP)
        also()
        time.sleep(0.05)


def test_a_reload_storm_leaks_nothing_and_refuses_nobody(daemon):
    d = daemon(PLAIN)
    d.settled(2)
    before = sorted(descriptors(d.pid)), [len(descriptors(p)) for p in descendants(d.pid)]
    with Visitors(d) as visitors:
        storm(d, 4)
        d.settled(2)
        visitors.wait(50)
    assert visitors.cut == 0, visitors.reason
    d.settled(2)
    wait_until(lambda: len(descriptors(d.pid)) == len(before[0]), "the master's descriptors")
    wait_until(lambda: [len(descriptors(p)) for p in descendants(d.pid)] == before[1], "the others' descriptors")
    assert "exited on signal" not in d.log()


def test_a_reload_storm_with_killed_workers_and_builders_that_fail(daemon):
    d = daemon(PLAIN)
    d.settled(2)
    before = len(descriptors(d.pid)), sorted(len(descriptors(p)) for p in descendants(d.pid))
    turn = iter(range(1000000))

    def trouble():
        n = next(turn)
        if n % 3 == 0:
            # A child that no log line names is a helper of LeakSanitizer's: without it its parent waits for ever.
            for victim in [w for w in d.workers() if f"start worker process {w}\n" in d.log()][:1]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)
        how = ("exit", "crash")[n % 2]
        d.write(SECOND + (f"fail {STEPS[n // 2 % len(STEPS)]} {how}\n" if n % 4 < 2 else ""))

    with Visitors(d) as visitors:
        storm(d, 4, trouble)
        d.write(SECOND)
        d.send(signal.SIGHUP)
        wait_until(lambda: d.greeting() == "two", "the last configuration")
        d.settled(2)
        visitors.wait(50)
    d.settled(2)
    wait_until(lambda: len(descriptors(d.pid)) == before[0], "the master's descriptors")
    wait_until(lambda: sorted(len(descriptors(p)) for p in descendants(d.pid)) == before[1], "the others' descriptors")


def test_a_storm_of_all_signals_ends_in_order(daemon):
    d = daemon(PLAIN)
    for _ in range(20):
        # USR2 would make another master, which outlives this one.
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGWINCH):
            d.send(number)
    assert d.stop(signal.SIGTERM) == 0
    assert not d.pid_path.exists()


def test_daemon_on_returns_when_it_serves(daemon):
    d = daemon(PLAIN + "daemon on\n", wait=False)
    assert d.process.wait(WAIT) == 0
    d.pid = int(d.pid_path.read_text())
    assert d.greeting() == "one"
    d.settled(2)
    assert os.getsid(d.pid) == d.pid
    assert not any("output" in f for p in [d.pid, *descendants(d.pid)] for f in descriptors(p))
    master = d.pid
    d.send(signal.SIGTERM)
    wait_until(lambda: not is_running(master), "its end")
    assert not d.pid_path.exists()


@pytest.mark.parametrize("lines", ["daemon on\nnonsense word\n", "daemon on\nfail 2 exit\n"])
def test_daemon_on_returns_1_when_it_cannot_serve(daemon, lines):
    d = daemon(PLAIN + lines, wait=False)
    assert d.process.wait(WAIT) == 1
    assert not d.pid_path.exists()


def test_master_process_off_serves_from_one_process(daemon):
    d = daemon(PLAIN + "master off\nunix {folder}/sock\n")
    assert d.connect()[1] == f"one {d.pid}"
    assert children(d.pid) == []
    assert d.stop(signal.SIGQUIT) == 0
    assert not d.pid_path.exists() and not (d.folder / "sock").exists()
