"""Processes, signals and privileges of the program itself, in front of real requests."""
import os
import pathlib
import signal
import socket
import stat
import subprocess
import threading
import time

import pytest

from harness import ARTICLE, WAIT, wait_until

is_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

PLAIN = "server { listen {port}; access_log {folder}/access.log; location / { proxy_pass http://%s; } }"


def slow_script(entered, leave):
    """An upstream that answers when it is let to."""
    def script(connection):
        connection.until(b"\r\n\r\n")
        entered.set()
        leave.wait(WAIT)
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow")
    return script


@pytest.fixture
def slow(scripted_upstream):
    class Slow:
        entered, leave = threading.Event(), threading.Event()
    Slow.address = scripted_upstream(slow_script(Slow.entered, Slow.leave)).address
    yield Slow
    Slow.leave.set()


def is_refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=WAIT).close()
    except ConnectionRefusedError:
        return True
    return False


def test_quit_lets_a_running_request_finish_and_says_close(proxy, slow):
    gate = proxy(PLAIN % slow.address)
    with gate.plain() as idle, gate.plain() as busy:
        idle.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        slow.leave.set()
        assert idle.answer().headers["connection"] == "keep-alive"
        slow.leave.clear()
        slow.entered.clear()
        busy.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert slow.entered.wait(WAIT)
        gate.process.send_signal(signal.SIGQUIT)
        gate.logged("gracefully shutting down")
        assert idle.is_closed()
        wait_until(lambda: is_refused(gate.port), "the address's end")
        slow.leave.set()
        answer = busy.answer()
        assert answer.body == b"slow" and answer.headers["connection"] == "close"
        assert busy.is_closed()
    assert gate.process.wait(WAIT) == 0
    assert not gate.pid_path.exists()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_term_cuts_a_running_request(proxy, slow, how):
    gate = proxy(PLAIN % slow.address)
    with gate.plain() as busy:
        busy.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert slow.entered.wait(WAIT)
        assert gate.stop(how) == 0
        assert busy.is_closed()


def test_shutdown_timeout_bounds_an_old_request(proxy, slow, upstream):
    gate = proxy(PLAIN % slow.address, main="worker_shutdown_timeout 1s;")
    with gate.plain() as busy:
        busy.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert slow.entered.wait(WAIT)
        gate.reload(PLAIN % upstream.address)
        assert busy.is_closed()
    wait_until(lambda: len(gate.workers()) == 1, "the old worker's end")


def test_a_request_in_flight_survives_a_reload(proxy, slow, upstream):
    gate = proxy(PLAIN % slow.address)
    with gate.plain() as busy:
        busy.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert slow.entered.wait(WAIT)
        gate.reload(PLAIN % upstream.address)
        gate.logged("gracefully shutting down")
        assert gate.plain().get("/new").json()["target"] == "/new"
        slow.leave.set()
        assert busy.answer().body == b"slow"
    wait_until(lambda: len(gate.workers()) == 1, "the old worker's end")


def test_usr1_moves_the_access_log_to_a_new_file(proxy, upstream):
    gate = proxy(PLAIN % upstream.address)
    log = gate.folder / "access.log"
    assert gate.plain().get("/before").status == 200
    wait_until(lambda: "/before" in log.read_text(), "a line")
    log.rename(gate.folder / "access.log.1")
    gate.process.send_signal(signal.SIGUSR1)
    wait_until(log.exists, "the new log")

    def is_in_the_new_log():
        assert gate.plain().get("/after").status == 200
        return "/after" in log.read_text()
    wait_until(is_in_the_new_log, "a line in the new log")
    assert "/before" not in log.read_text()


@pytest.mark.no_valgrind("the command line is valgrind's own")
def test_ps_shows_who_is_who(proxy, upstream):
    gate = proxy(PLAIN % upstream.address)
    (worker,) = gate.workers()
    builder = int(pathlib.Path(f"/proc/{worker}/stat").read_text().rsplit(") ", 1)[1].split()[1])
    shown = [pathlib.Path(f"/proc/{pid}/cmdline").read_text().split("\0")[0] for pid in (gate.process.pid, builder, worker)]
    assert shown == ["portcullis: master process", "portcullis: builder process", "portcullis: worker process"]


def core_limit(pid):
    lines = pathlib.Path(f"/proc/{pid}/limits").read_text().splitlines()
    return next(line.split()[4] for line in lines if line.startswith("Max core file size"))


@is_root
def test_who_holds_keys_dumps_no_core_and_shows_its_memory_to_root_alone(proxy, upstream):
    gate = proxy(PLAIN % upstream.address, core=1 << 30)
    worker = gate.workers()[0]
    builder = int(pathlib.Path(f"/proc/{worker}/stat").read_text().rsplit(") ", 1)[1].split()[1])
    for pid in (worker, builder):
        assert core_limit(pid) == "0"
        assert pathlib.Path(f"/proc/{pid}/mem").owner() == "root", "of a process that may be dumped it is its user's"
    os.kill(worker, signal.SIGABRT)
    assert "core dumped" not in gate.logged("exited on signal 6")
    gate.log_path.write_text("")  # this death was wanted


@is_root
def test_worker_rlimit_core_asks_for_cores(proxy, upstream):
    gate = proxy(PLAIN % upstream.address, main="worker_rlimit_core 8m;")
    worker = gate.workers()[0]
    assert core_limit(worker) == str(8 << 20)
    assert pathlib.Path(f"/proc/{worker}/mem").owner() == "nobody"


@is_root
def test_workers_run_as_the_user_and_keys_stay_roots(proxy, upstream, certs, tmp_path):
    key = tmp_path / "root-only.key"
    key.write_bytes((certs / "server.key").read_bytes())
    key.chmod(stat.S_IRUSR)
    gate = proxy(ARTICLE.replace("{certs}/server.key", str(key)).replace("web_server:port", upstream.address))
    assert gate.curl().status == 200

    def ids(pid):
        lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
        return {line.split()[0]: line.split()[1:5] for line in lines if line.startswith(("Uid", "Gid", "Groups"))}
    import pwd
    nobody = pwd.getpwnam("nobody")
    for worker in gate.workers():
        assert ids(worker)["Uid:"] == [str(nobody.pw_uid)] * 4
        assert ids(worker)["Gid:"] == [str(nobody.pw_gid)] * 4
        assert ids(worker)["Groups:"] == [str(nobody.pw_gid)]
    gate.reload()
    assert gate.curl().status == 200


@is_root
def test_a_user_that_does_not_exist_is_an_error(proxy, upstream):
    gate = proxy(PLAIN % upstream.address, main="user no-such-user;", wait=False)
    assert gate.process.wait(WAIT) == 1
    assert 'getpwnam("no-such-user") failed' in gate.said()


@pytest.mark.no_valgrind("it lets nobody set RLIMIT_NOFILE")
def test_out_of_descriptors_accepting_pauses_and_clients_are_served(proxy, upstream):
    gate = proxy("events { worker_connections 1024; } http { " + PLAIN % upstream.address + "}",
                 main="worker_rlimit_nofile 40;")
    with gate.plain() as early:
        assert early.get("/").status == 200
        crowd = [gate.plain() for _ in range(60)]
        gate.logged("Too many open files")
        assert early.get("/").status == 200
        for c in crowd[:50]:
            c.close()
        assert crowd[-1].get("/late").status == 200
        for c in crowd[50:]:
            c.close()
    assert gate.log().count("accepting pauses") == 1


def test_nobody_outlives_a_killed_master(proxy, upstream):
    gate = proxy(PLAIN % upstream.address)
    workers = gate.workers()
    os.kill(gate.process.pid, signal.SIGKILL)
    gate.process.wait()
    wait_until(lambda: not any(pathlib.Path(f"/proc/{w}").exists() for w in workers), "the workers' end")
    wait_until(lambda: is_refused(gate.port), "the address's end")


def test_worker_processes_auto_is_one_for_each_processor(proxy, upstream):
    gate = proxy(PLAIN % upstream.address, main="")
    assert len(gate.workers()) == 1
    gate.main = gate.main.replace("worker_processes 1", "worker_processes auto")
    gate.stop()
    gate.process = subprocess.Popen(gate.command(), stdout=gate.output, stderr=gate.output, stdin=subprocess.DEVNULL,
                                    env=gate.env)
    wait_until(gate.pid_path.exists, "the pid file")
    assert len(gate.workers()) == len(os.sched_getaffinity(0))


def test_a_unix_socket_is_removed_at_the_end_and_stays_over_reloads(proxy, upstream):
    gate = proxy("server { listen unix:{folder}/gate.sock; location / { proxy_pass http://%s; } }" % upstream.address)
    path = gate.folder / "gate.sock"

    def status():
        return subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket", str(path),
                               "http://localhost/"], capture_output=True, text=True, timeout=WAIT).stdout
    assert status() == "200"
    inode = path.stat().st_ino
    gate.reload()
    assert status() == "200" and path.stat().st_ino == inode
    gate.stop()
    assert not path.exists()


def test_reuseport_serves_over_reloads(proxy, upstream):
    text = "server { listen {port} reuseport; location / { proxy_pass http://%s; } }" % upstream.address
    gate = proxy(text, main="")
    for _ in range(3):
        gate.reload()
        for i in range(20):
            assert gate.plain().get(f"/{i}").status == 200


def test_master_process_off_serves_too(proxy, upstream):
    gate = proxy(PLAIN % upstream.address, main="master_process off;")
    assert gate.plain().get("/").status == 200
    assert gate.workers() == []
    assert gate.stop(signal.SIGQUIT) == 0


def test_daemon_on_detaches_and_s_quit_ends_it(proxy, upstream):
    gate = proxy(PLAIN % upstream.address, wait=False)
    gate.process.terminate()
    gate.process.wait(WAIT)
    gate.main = gate.main.replace("daemon off;", "")
    done = subprocess.run(gate.command(), capture_output=True, timeout=WAIT)  # returns: nobody holds its output
    assert done.returncode == 0, done
    pid = int(gate.pid_path.read_text())
    assert gate.plain().get("/").status == 200
    assert subprocess.run(gate.command("-s", "quit"), timeout=WAIT).returncode == 0
    wait_until(lambda: not pathlib.Path(f"/proc/{pid}").exists(), "its end")
    assert not gate.pid_path.exists()


def test_t_beside_a_running_server_disturbs_nothing(proxy, upstream):
    gate = proxy("server { listen {port}; listen unix:{folder}/s; location / { proxy_pass http://%s; } }" % upstream.address)
    done = subprocess.run(gate.command("-t"), capture_output=True, text=True, timeout=WAIT)
    assert done.returncode == 0, done.stderr
    assert (gate.folder / "s").exists() and gate.pid_path.read_text() == f"{gate.process.pid}\n"
    assert gate.plain().get("/").status == 200


def test_old_connections_get_one_more_answer_after_a_reload(proxy, upstream):
    gate = proxy(PLAIN % upstream.address)
    with gate.plain() as kept:
        assert "connection" not in kept.get("/1").headers or kept.get("/1").headers["connection"] != "close"
        gate.reload()
        gate.logged("gracefully shutting down")
        answer = kept.get("/2")
        assert answer.status == 200 and answer.headers["connection"] == "close"
        assert kept.is_closed()
    started = time.monotonic()
    wait_until(lambda: len(gate.workers()) == 1, "the old worker's end")
    assert time.monotonic() - started < WAIT
