"""USR2 and WINCH: another program takes over, or does not, and no request notices."""
import os
import pathlib
import shutil
import signal
import socket
import threading
import time

import pytest

from harness import WAIT, wait_until
from test_resumption import VERSIONS, Client

TEXT = "server { listen {port}; location / { proxy_pass http://%s; } }"


def children(pid):
    return [int(p) for t in pathlib.Path(f"/proc/{pid}/task").glob("*/children") for p in t.read_text().split()]


def is_gone(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] == "Z"
    except OSError:
        return True


class Load:
    """Clients that ask again and again, each time over a new connection and over one that stays."""

    def __init__(self, port, threads=3):
        self.port, self.failures, self.answers, self.ending = port, [], 0, threading.Event()
        self.threads = [threading.Thread(target=self.run) for _ in range(threads)]

    def run(self):
        while not self.ending.is_set():
            try:
                self.ask()
            except OSError as e:
                self.failures.append(e)
            time.sleep(0.002)

    def ask(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=WAIT) as s:
            s.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = b""
            while more := s.recv(65536):
                answer += more
        if not answer.startswith(b"HTTP/1.1 200"):
            raise OSError(answer[:200])
        self.answers += 1

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        before = self.answers
        wait_until(lambda: self.answers > before + 20 or self.failures, "answers at the end")
        self.ending.set()
        for t in self.threads:
            t.join()
        assert not self.failures, self.failures[:3]


class Gate:
    """The program as its own copy, which a test may replace; pid files tell who is who."""

    def __init__(self, proxy, binary, tmp_path, text, **options):
        self.program = tmp_path / "program"
        shutil.copy2(binary, self.program)
        self.proxy = proxy(text, binary=self.program, **options)
        self.old = self.proxy.process.pid
        self.pid_path = self.proxy.pid_path
        self.old_path = pathlib.Path(f"{self.pid_path}.oldbin")

    def pid(self):
        try:  # it is renamed when another program takes over
            return int(self.pid_path.read_text() or 0)
        except FileNotFoundError:
            return 0

    def upgrade(self):
        """Returns the new master's number when it serves."""
        os.kill(self.old, signal.SIGUSR2)
        wait_until(lambda: self.pid() not in (0, self.old), "another pid file: " + self.proxy.log()[-1000:])
        assert int(self.old_path.read_text()) == self.old
        return self.pid()

    def old_workers(self):
        return [w for b in children(self.old) if b != self.pid() for w in children(b)]

    def rest_but_for_open_connections(self):
        os.kill(self.old, signal.SIGWINCH)
        self.proxy.logged("gracefully shutting down")

    def rest(self):
        """The old master's workers go; it stays."""
        before = [b for b in children(self.old) if b != self.pid()]
        os.kill(self.old, signal.SIGWINCH)
        wait_until(lambda: not any(children(b) for b in before), "the end of the old workers")


@pytest.fixture
def started(proxy, binary, tmp_path, upstream):
    gates = []

    def start(text=TEXT % upstream.address, **options):
        gates.append(Gate(proxy, binary, tmp_path, text, **options))
        return gates[-1]

    yield start
    for gate in gates:
        if (pid := gate.pid()) not in (0, gate.old):
            os.kill(pid, signal.SIGTERM)
            wait_until(lambda: is_gone(pid), "the new master's end")


def test_a_new_program_takes_over_under_load(started):
    gate = started(workers=2)
    with Load(gate.proxy.port):
        new = gate.upgrade()
        gate.rest()
        os.kill(gate.old, signal.SIGQUIT)
        assert gate.proxy.process.wait(WAIT) == 0
    assert gate.pid() == new and not gate.old_path.exists()
    assert "using inherited sockets" in gate.proxy.log()


def test_a_kept_connection_of_the_old_program_has_one_more_answer(started):
    gate = started()
    request = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with gate.proxy.plain() as kept:
        kept.send(request)
        assert kept.answer().status == 200
        gate.upgrade()
        os.kill(gate.old, signal.SIGWINCH)
        gate.proxy.logged("gracefully shutting down")
        kept.send(request)
        answer = kept.answer()
        assert answer.status == 200 and answer.headers["connection"] == "close"


def test_the_new_one_can_be_changed_in_turn(started):
    gate = started()
    with Load(gate.proxy.port):
        first = gate.upgrade()
        os.kill(first, signal.SIGUSR2)
        gate.proxy.logged("under way, ignored")
        os.kill(gate.old, signal.SIGQUIT)
        assert gate.proxy.process.wait(WAIT) == 0
        os.kill(first, signal.SIGUSR2)
        wait_until(lambda: gate.pid() not in (0, first), "the third master")
        os.kill(first, signal.SIGQUIT)
        wait_until(lambda: is_gone(first), "the second master's end")


def test_back_to_the_old_program_under_load(started):
    """The file is not understood by it any more: its configuration is the one that it had."""
    gate = started()
    with Load(gate.proxy.port):
        new = gate.upgrade()
        gate.rest()
        with gate.proxy.plain() as kept:
            assert kept.get().status == 200
            gate.proxy.write("nonsense")
            os.kill(gate.old, signal.SIGHUP)
            wait_until(lambda: any(children(b) for b in children(gate.old) if b != new), "the old workers' return")
            os.kill(new, signal.SIGQUIT)
            wait_until(lambda: gate.proxy.log().count("gracefully shutting down") == 2, "the new worker's last requests")
            assert kept.get().headers["connection"] == "close"
        wait_until(lambda: is_gone(new) and not gate.old_path.exists(), "the new master's end")
    assert gate.pid() == gate.old


def test_a_new_program_that_dies_brings_the_old_workers_back(started):
    gate = started()
    new = gate.upgrade()
    gate.rest()
    family = [new, *children(new), *(w for b in children(new) for w in children(b))]
    with Load(gate.proxy.port):
        os.kill(new, signal.SIGKILL)
        wait_until(lambda: all(is_gone(p) for p in family), "the new program's end")
        wait_until(lambda: gate.pid() == gate.old, "the old pid file")
    assert not gate.old_path.exists()


@pytest.mark.no_valgrind("it starts the program itself, not the file that is put in its place")
@pytest.mark.parametrize("how", ["does not run", "says no"])
def test_a_new_program_that_does_not_start_changes_nothing(started, how):
    gate = started()
    with Load(gate.proxy.port):
        gate.program.unlink()
        if how == "says no":
            shutil.copy2("/bin/false", gate.program)
        os.kill(gate.old, signal.SIGUSR2)
        gate.proxy.logged("exited with code 1")
        wait_until(lambda: gate.pid() == gate.old and not gate.old_path.exists(), "the pid file as it was")


def test_a_new_program_that_cannot_read_its_configuration_leaves_everything(started, tmp_path):
    gate = started("server { listen unix:{folder}/sock; listen {port}; return 204; }")
    gate.proxy.write("nonsense")
    os.kill(gate.old, signal.SIGUSR2)
    gate.proxy.logged("exited with code 1")
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(gate.proxy.folder / "sock"))
    wait_until(lambda: gate.pid() == gate.old, "the pid file as it was")


def test_a_unix_sockets_path_goes_with_the_last_master(started):
    gate = started("server { listen unix:{folder}/sock; listen {port}; return 204; }")
    path = gate.proxy.folder / "sock"
    new = gate.upgrade()
    os.kill(gate.old, signal.SIGQUIT)
    assert gate.proxy.process.wait(WAIT) == 0
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(path))
    os.kill(new, signal.SIGQUIT)
    wait_until(lambda: is_gone(new), "the new master's end")
    assert not path.exists()


def test_resting_again_and_again(started):
    gate = started()
    new = gate.upgrade()
    for _ in range(3):
        gate.rest()
        os.kill(gate.old, signal.SIGHUP)
        wait_until(lambda: any(children(b) for b in children(gate.old) if b != new), "the old workers' return")
    os.kill(gate.old, signal.SIGTERM)
    assert gate.proxy.process.wait(WAIT) == 0
    with Load(gate.proxy.port):
        pass


# ---------------------------------------------------------------- shared memory

SHARED = """events {} http { limit_req_zone $arg_k zone=one:32k rate=1r/m; access_log off;
    server { listen {port} ssl; ssl_certificate {certs}/server.crt; ssl_certificate_key {certs}/server.key;
             ssl_client_certificate {certs}/ca.crt; ssl_verify_client on; %s
             location / { return 200 "$ssl_session_reused $ssl_client_verify"; }
             location /one { limit_req zone=one; proxy_pass http://127.0.0.1:9; } } }"""


def becomes(gate, script):
    """The next program does this first; all of its words are given to the real one."""
    real = gate.program.rename(gate.program.with_name("real"))
    gate.program.write_text(f"#!/bin/sh\n{script}\nexec {real} \"$@\"\n")
    gate.program.chmod(0o755)


def change(gate):
    new = gate.upgrade()
    os.kill(gate.old, signal.SIGQUIT)
    assert gate.proxy.process.wait(WAIT) == 0
    return new


@pytest.mark.parametrize("keep", ["", "ssl_session_tickets off; ssl_session_cache shared:s:64k;"], ids=["tickets", "cache"])
@pytest.mark.parametrize("version", VERSIONS)
def test_sessions_and_limits_go_on_in_a_new_program(started, version, keep):
    gate = started(SHARED % keep)
    client = Client(gate.proxy, version)
    assert client.get().body == b". SUCCESS"
    assert [gate.proxy.curl(path="/one?k=a").status for _ in range(2)] == [502, 503]
    change(gate)
    assert client.get().body == b"r SUCCESS" and client.reused
    assert gate.proxy.curl(path="/one?k=a").status == 503
    assert "anew" not in gate.proxy.log() and "not taken over" not in gate.proxy.log()


@pytest.mark.no_valgrind("it starts the program itself, not the file that is put in its place")
@pytest.mark.parametrize("script, said", [
    ("export PORTCULLIS_ZONES=\"999;${PORTCULLIS_ZONES#*;}\"", "lays it out otherwise"),
    ("unset PORTCULLIS_ZONES", "hands no shared memory over"),
    ("export PORTCULLIS_ZONES=\"${PORTCULLIS_ZONES%%;*};2:32768:3:one\"", "it is none")])
def test_what_a_new_program_cannot_take_over_begins_anew_and_is_told(started, script, said):
    gate = started(SHARED % "")
    client = Client(gate.proxy, VERSIONS[1].values[0])
    assert client.get().body == b". SUCCESS"
    becomes(gate, script)
    new = change(gate)
    assert said in gate.proxy.log()
    assert client.get().body == b". SUCCESS"
    assert client.get().body == b"r SUCCESS"
    if "otherwise" in said:  # the others' numbers were lost on the way
        assert [os.readlink(fd) for fd in pathlib.Path(f"/proc/{new}/fd").iterdir()].count("/memfd:zone (deleted)") == 2


# ---------------------------------------------------------------- what is trusted

def tunnel(connection):
    connection.until(b"\r\n\r\n")
    connection.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
    while connection.more():
        pass


class Trusting:
    """The old program with two upgraded connections, whose files are the test's own."""

    def __init__(self, started, certs, folder, scripted_upstream, more=""):
        self.certs, self.files = certs, folder / "files"
        self.files.mkdir()
        self.write("crl.pem", certs / "rogues/crl-empty.pem")
        self.write("server.crt", certs / "server.crt")
        self.write("server.key", certs / "server.key")
        text = """events {} http { %s access_log off; server { listen {port} ssl;
            ssl_certificate F/server.crt; ssl_certificate_key F/server.key;
            ssl_client_certificate {certs}/ca.crt; ssl_verify_client on; ssl_crl F/crl.pem;
            proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;
            location / { return 204; } location /up { proxy_pass http://%s; } } }""" % (
            more, scripted_upstream(tunnel).address)
        self.gate = started(text.replace("F/", f"{self.files}/"))
        self.good, self.revoked = self.open("good"), self.open("revoked")

    def write(self, name, path):
        (self.files / "new").write_bytes(path.read_bytes())
        (self.files / "new").rename(self.files / name)

    def open(self, cert):
        c = self.gate.proxy.tls(cert)
        c.send("GET /up HTTP/1.1\r\nHost: localhost\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
        assert c.head()[1] == 101
        return c

    def revoke(self):
        self.write("crl.pem", self.certs / "rogues/crl.pem")

    def renew(self):
        """Another certificate by the same CA."""
        self.write("server.key", self.certs / "rogues/good.key")
        self.write("server.crt", self.certs / "rogues/good.crt")

    def ends_for_the_revoked_alone(self):
        assert self.revoked.is_closed()
        self.good.sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            self.good.more()
        self.good.sock.settimeout(WAIT)


@pytest.fixture
def trusting(started, certs, tmp_path, scripted_upstream):
    made = []

    def make(**more):
        made.append(Trusting(started, certs, tmp_path, scripted_upstream, **more))
        return made[-1]

    yield make
    for t in made:
        t.good.close()
        t.revoked.close()


WATCH = "ssl_watch_files on;"


@pytest.mark.parametrize("how", ["before it serves", "by a reload", "by its watch"])
@pytest.mark.parametrize("end", ["", "WINCH", "QUIT"])
def test_workers_of_the_old_program_learn_what_the_new_one_trusts(trusting, how, end):
    t = trusting(more=WATCH if how == "by its watch" else "")
    gate = t.gate
    if how == "before it serves":
        t.revoke()
    new = gate.upgrade()
    if end:
        os.kill(gate.old, getattr(signal, f"SIG{end}"))
        gate.proxy.logged("gracefully shutting down")
    if how != "before it serves":
        t.revoke()
    if how == "by a reload":
        os.kill(new, signal.SIGHUP)
    t.ends_for_the_revoked_alone()


def test_a_new_certificate_does_not_keep_the_old_program_from_learning_it(trusting):
    """It would take a reload of the old program, which the new one has done."""
    t = trusting(more=WATCH)
    new = t.gate.upgrade()
    t.gate.rest_but_for_open_connections()
    t.renew()
    t.revoke()
    t.ends_for_the_revoked_alone()
    t.gate.proxy.logged("the newer program has read it")
    # Who read the files is a child of the builder, too, and goes.
    wait_until(lambda: len(t.gate.old_workers()) == 1, "the old worker alone: no other is back")
    os.kill(new, signal.SIGQUIT)


def test_the_window_of_a_terminal_stops_nobody(proxy, upstream):
    import fcntl
    import pty
    import struct
    import subprocess
    import termios
    gate = proxy(TEXT % upstream.address)
    gate.stop()
    main, side = pty.openpty()
    with subprocess.Popen(gate.command(), stdin=side, stdout=side, stderr=side, start_new_session=True,
                          preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)) as process:
        try:
            wait_until(lambda: gate.pid_path.exists() and gate.pid_path.read_text(), "the pid file")
            fcntl.ioctl(main, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 100, 0, 0))
            process.send_signal(signal.SIGUSR1)
            gate.logged("reopening logs")
            assert "WINCH" not in gate.log() and "shutting down" not in gate.log().split("exit\n")[-1]
        finally:
            process.terminate()
    os.close(main)
    os.close(side)
