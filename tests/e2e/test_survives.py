"""What goes wrong around the program, and what changes under it, while clients are served: docs/reliability.md.

PORTCULLIS_ENDURANCE multiplies the time of the storms (20: a minute each)."""
import contextlib
import os
import pathlib
import signal
import socket
import threading
import time

import pytest

from harness import ARTICLE, WAIT, Connection, Proxy, ScriptedUpstream, small_answers, wait_until

SECONDS = 3 * int(os.environ.get("PORTCULLIS_ENDURANCE", "1"))
FAKETIME = pathlib.Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")


@pytest.fixture
def application():
    server = ScriptedUpstream(small_answers)
    yield server
    server.close()


class Load:
    """Clients that ask again and again, some on kept connections, some on new ones; what fails is kept."""

    def __init__(self, gate, kept=3, new=3):
        self.gate, self.over, self.answered, self.failed = gate, threading.Event(), 0, []
        self.threads = [threading.Thread(target=self.run, args=(each,)) for each in [1000] * kept + [1] * new]

    def run(self, each):
        while not self.over.is_set():
            try:
                with self.gate.tls() as c:
                    self.ask(c, each)
            except (OSError, EOFError, ValueError) as e:
                self.failed.append(e)

    def ask(self, c, each):
        for _ in range(each):
            answer = c.get()
            if answer.status != 200:
                self.failed.append(answer)
            self.answered += 1
            if self.over.is_set() or answer.headers.get("connection") == "close":
                return

    def wait(self, more):
        end = self.answered + more
        wait_until(lambda: self.answered >= end, "requests")

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for t in self.threads:
            t.join()


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def family(gate):
    """Descriptors of the master, the builder and the only worker."""
    (worker,) = gate.workers()
    builder = int(pathlib.Path(f"/proc/{worker}/stat").read_text().rsplit(") ", 1)[1].split()[1])
    return [descriptors(pid) for pid in (gate.process.pid, builder, worker)]


def configuration(turn, address):
    """Servers added and removed, CAs swapped, another address, all in turn."""
    servers = "".join(ARTICLE.replace("web_server:port", "app").replace("listen", f"server_name s{i}.test; listen")
                      for i in range(turn % 4))
    other = "server { listen {port2}; return 204; }" if turn % 2 else ""
    ca = "{folder}/cas.pem" if turn % 3 == 1 else "{certs}/ca.crt"
    first = ARTICLE.replace("listen {port} ssl", "listen {port} ssl default_server").replace("{certs}/ca.crt", ca)
    return (f"events {{}} http {{ access_log off; keepalive_timeout 5s; upstream app {{ server {address}; keepalive 16; }}"
            + first.replace("web_server:port", "app") + servers + other + "}")


def test_a_storm_of_reloads_that_differ_fails_no_request(proxy, application, certs):
    def both_cas(folder):
        (folder / "cas.pem").write_text((certs / "ca.crt").read_text() + (certs / "rogues/other-ca.crt").read_text())
    gate = proxy(configuration(0, application.address), level="notice", workers=1, prepare=both_cas)
    wait_until(lambda: len(gate.workers()) == 1, "the worker")
    before = family(gate)
    with Load(gate) as load:
        end, turn = time.monotonic() + SECONDS, 0
        while time.monotonic() < end:
            turn += 1
            text = configuration(turn, application.address)
            new = gate.folder / "new.conf"
            new.write_text(gate.expand(text))
            new.replace(gate.config_path)
            gate.process.send_signal(signal.SIGHUP)
            time.sleep(0.05)
        load.wait(20)
        wait_until(lambda: load.answered > 50 or load.failed, "answers")
    assert load.failed == [], load.failed[:3]
    gate.reload(configuration(0, application.address))
    wait_until(lambda: len(gate.workers()) == 1, "old workers to end", 2 * WAIT)
    wait_until(lambda: family(gate) == before, f"the descriptors of master, builder and worker: {before}, {family(gate)}")
    assert "exited on signal" not in gate.log()
    assert gate.tls().get().status == 200


def test_a_killed_builder_is_replaced_and_costs_the_connections_of_its_workers(proxy, application):
    gate = proxy(configuration(0, application.address), level="notice")
    (worker,) = gate.workers()
    builder = int(pathlib.Path(f"/proc/{worker}/stat").read_text().rsplit(") ", 1)[1].split()[1])
    with Load(gate) as load:
        load.wait(20)
        os.kill(builder, signal.SIGKILL)
        wait_until(lambda: gate.workers() not in ([], [worker]), "another worker")
        load.wait(20)
    assert len(load.failed) <= 2 * len(load.threads), load.failed
    gate.logged(f"builder process {builder} exited on signal 9")


@pytest.mark.parametrize("broken", ["ssl_certificate_key {folder}/cut.key;", "ssl_client_certificate {folder}/cut.key;",
                                    "ssl_crl {folder}/cut.key;", "listen {port3} ssl; listen 192.0.2.1:1;", "no_such_directive;"])
def test_a_reload_that_fails_is_told_and_changes_nothing(proxy, application, certs, broken):
    def cut(folder):
        key = (certs / "server.key").read_bytes()
        (folder / "cut.key").write_bytes(key[:len(key) // 2])
    text = configuration(0, application.address)
    gate = proxy(text, level="notice", prepare=cut)
    before = gate.workers()
    name = broken.split()[0]
    lines = [line for line in text.split("\n") if name == "listen" or not line.strip().startswith(name)]
    with Load(gate) as load:
        gate.write("\n".join(lines).replace("location / {", broken + " location / {", 1))
        gate.process.send_signal(signal.SIGHUP)
        gate.logged("[emerg]")
        load.wait(20)
    assert load.failed == []
    wait_until(lambda: gate.workers() == before, "the failed builder's end")


# ---------------------------------------------------------------- logs

LOGS = """events {} http { access_log %s; upstream app { server ADDRESS; keepalive 4; }
""" + ARTICLE.replace("web_server:port", "app") + "}"


def test_a_full_disk_below_the_logs_stops_nobody_and_is_said(proxy, application):
    gate = proxy(LOGS.replace("ADDRESS", application.address) % "/dev/full")
    with gate.tls() as c:
        assert [c.get().status for _ in range(20)] == [200] * 20
    gate.logged('write() to "/dev/full" failed (28: No space left on device)')


def test_an_error_log_on_a_full_disk_stops_nobody(proxy, application):
    gate = proxy(LOGS.replace("ADDRESS", application.address).replace("http {", "http { error_log /dev/full info;", 1)
                 % "off")
    for _ in range(5):
        assert gate.curl(cert=None).status == 403
        assert gate.curl().status == 200


@contextlib.contextmanager
def unread_pipe(path):
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        yield
    finally:
        os.close(reader)


def test_a_log_pipe_that_nobody_empties_stops_nobody_and_lost_lines_are_said(proxy, application, tmp_path):
    with unread_pipe(tmp_path / "pipe"):
        gate = proxy(LOGS.replace("ADDRESS", application.address) % (tmp_path / "pipe"))
        with gate.tls() as c:
            for _ in range(60):
                assert c.get("/" + "long" * 500).status == 200
        gate.logged("failed (11: Resource temporarily unavailable)")


def test_a_log_pipe_without_a_reader_is_an_error_and_leaves_the_old_configuration_serving(proxy, application, tmp_path):
    gate = proxy(configuration(0, application.address))
    os.mkfifo(tmp_path / "pipe")
    gate.write(LOGS.replace("ADDRESS", application.address) % (tmp_path / "pipe"))
    gate.process.send_signal(signal.SIGHUP)
    gate.logged("failed (6: No such device or address)")
    assert gate.curl().status == 200


# ---------------------------------------------------------------- clock, memory

def set_clock(file, offset):
    """At once: libfaketime ends a process that reads half of it."""
    new = file.with_name("new")
    new.write_text(offset)
    new.replace(file)


@pytest.mark.skipif(not FAKETIME.exists(), reason="libfaketime is not installed")
@pytest.mark.skipif("asan" in os.environ.get("PORTCULLIS_BIN", ""), reason="a sanitizer wants to be loaded first")
@pytest.mark.no_valgrind("its clock is not libfaketime's")
def test_a_list_in_its_grace_is_told_of_each_day(proxy, tmp_path):
    now = tmp_path / "now"
    set_clock(now, "+0")
    gate = proxy("server { listen {port} ssl; ssl_certificate {certs}/server.crt; ssl_certificate_key {certs}/server.key; "
                 "ssl_client_certificate {certs}/ca.crt; ssl_verify_client on; ssl_crl {certs}/rogues/crl-expired.pem; "
                 "ssl_crl_grace 9000d; return 204; }", main="sandbox off;",
                 env={"LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(now), "FAKETIME_NO_CACHE": "1"})
    (worker,) = gate.workers()
    builder = int(pathlib.Path(f"/proc/{worker}/stat").read_text().rsplit(") ", 1)[1].split()[1])
    for days in range(1, 3):
        set_clock(now, f"+{days}d")
        os.kill(builder, signal.SIGCHLD)  # it looks at the clock
        wait_until(lambda: gate.log().count("it counts until ssl_crl_grace is over") == 1 + days, "a reminder: " + gate.log())


@pytest.mark.skipif(not FAKETIME.exists(), reason="libfaketime is not installed")
@pytest.mark.skipif("asan" in os.environ.get("PORTCULLIS_BIN", ""), reason="a sanitizer wants to be loaded first")
@pytest.mark.no_valgrind("its clock is not libfaketime's")
def test_the_clock_goes_two_years_forward_and_back(proxy, application, tmp_path):
    now = tmp_path / "now"
    tmp_path.chmod(0o755)
    set_clock(now, "+0")
    for folder in tmp_path.parents:
        if folder != pathlib.Path("/tmp") and folder.is_relative_to("/tmp"):
            folder.chmod(0o755)
    gate = proxy(configuration(0, application.address), main="sandbox off;",
                 env={"LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(now), "FAKETIME_NO_CACHE": "1",
                      "FAKETIME_DONT_FAKE_MONOTONIC": "1"})
    with gate.tls() as kept:
        assert kept.get().status == 200
        set_clock(now, "+730d")
        late = kept.get()
        assert late.status == 403 and b"cert_expired" in late.body
    assert b"cert_expired" in gate.curl("-k", cert="client").body
    set_clock(now, "-730d")
    assert b"cert_not_yet_valid" in gate.curl("-k", cert="client").body
    set_clock(now, "+0")
    assert gate.curl().status == 200


@pytest.mark.skipif("asan" in os.environ.get("PORTCULLIS_BIN", ""), reason="its shadow takes all addresses")
@pytest.mark.no_valgrind("the limit would be valgrind's own")
def test_want_of_memory_costs_a_handshake_or_a_worker_and_no_more(proxy, binary, certs, application, tmp_path):
    text = configuration(0, application.address)
    (worker,) = proxy(text).workers()
    enough_kb = int(pathlib.Path(f"/proc/{worker}/statm").read_text().split()[0]) * 4 + 8000
    poor = tmp_path / "poor"
    poor.write_text(f"#!/bin/sh\nulimit -c 0; ulimit -v {enough_kb}; exec {binary} \"$@\"\n")
    poor.chmod(0o755)
    (tmp_path / "gate").mkdir()
    gate = Proxy(poor, certs, tmp_path / "gate", text)
    crowd = []
    while "out of memory" not in gate.log() and len(crowd) < 1000:
        with contextlib.suppress(OSError, EOFError):
            crowd.append(gate.tls())
            crowd[-1].send("GET / HTTP/1.1\r\nHost: localhost\r\nX: " + "y" * 7000)
    for c in crowd:
        c.close()
    gate.logged("out of memory")
    # A handshake that fails for it costs its client, anything else the worker, which is replaced.
    wait_until(lambda: gate.curl().code == 0, "service")
    assert gate.curl().status == 200
    gate.stop()
    gate.output.close()


# ---------------------------------------------------------------- draining

def test_quit_under_load_ends_each_as_it_should(proxy, scripted_upstream):
    def application(c):
        head = c.until(b"\r\n\r\n")
        if b"Upgrade" in head:
            c.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
            while c.more():
                c.send(c.pending)
                c.pending = b""
        elif head.startswith(b"POST"):
            body = c.exactly(200000)
            c.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(str(len(body)))}\r\n\r\n{len(body)}")
        elif b"/small" in head:
            c.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        else:
            c.send("HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n" + "x" * 4000000)
    text = ARTICLE.replace("web_server:port", scripted_upstream(application).address).replace(
        "proxy_pass", "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; proxy_pass")
    gate = proxy("events {} worker_shutdown_timeout 3s; http { access_log off; %s }" % text)
    with gate.tls() as upload, gate.tls() as download, gate.tls() as tunnel, gate.tls() as idle:
        upload.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n\r\n" + "x" * 100000)
        download.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        download.until(b"\r\n\r\n")
        tunnel.send("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        assert tunnel.head()[1] == 101
        assert idle.get("/small").body == b"ok"
        gate.process.send_signal(signal.SIGQUIT)
        gate.logged("gracefully shutting down")
        assert idle.is_closed()
        upload.send("x" * 100000)
        answer = upload.answer()
        assert answer.body == b"200000" and answer.headers["connection"] == "close"
        assert len(download.exactly(4000000)) == 4000000
        tunnel.send("still here")
        assert tunnel.exactly(10) == b"still here"
        started = time.monotonic()
        assert tunnel.is_closed()  # by worker_shutdown_timeout
    assert gate.process.wait(WAIT) == 0
    assert time.monotonic() - started < WAIT


def test_quit_does_not_drop_the_end_of_an_answer_that_waits_for_its_reader(proxy, scripted_upstream):
    """Of a complete answer up to 16 KB may still be queued here: of which of these depends on the kernel."""
    sizes = range(40000, 700000, 8000)

    def application(c):
        while True:
            size = int(c.until(b"\r\n\r\n").split(b" ")[1][1:])
            c.send(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n" + "x" * size)
    gate = proxy("events {} http { access_log {folder}/access.log; server { listen unix:{folder}/gate; listen {port}; "
                 "location / { proxy_pass http://%s; } } }" % scripted_upstream(application).address)
    readers = {}
    for size in sizes:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(WAIT)
        sock.connect(str(gate.folder / "gate"))
        readers[size] = Connection(sock)
        readers[size].send(f"GET /{size} HTTP/1.1\r\nHost: localhost\r\n\r\n")
    log = gate.folder / "access.log"
    wait_until(lambda: "/40000 " in log.read_text(), "an answer that the kernel took whole")
    settled = ""
    while settled != log.read_text():
        settled = log.read_text()
        time.sleep(0.3)
    gate.process.send_signal(signal.SIGQUIT)
    gate.logged("gracefully shutting down")
    time.sleep(0.2)
    for size, reader in readers.items():
        with reader:
            assert len(reader.answer().body) == size


class Restarting:
    """An application that goes and comes back on its port; answers that were begun are ended first."""

    def __init__(self):
        self.server = ScriptedUpstream(small_answers)
        self.port = self.server.port

    def restart(self):
        self.server.close()
        time.sleep(0.1)
        self.server = ScriptedUpstream(small_answers, self.port)


def test_a_rolling_restart_of_the_upstreams_fails_no_request(proxy):
    applications = [Restarting(), Restarting()]
    servers = " ".join(f"server 127.0.0.1:{a.port} fail_timeout=1s;" for a in applications)
    text = ARTICLE.replace("web_server:port", "app")
    gate = proxy(f"events {{}} http {{ access_log off; upstream app {{ {servers} keepalive 16; }} {text} }}", level="notice")
    with Load(gate) as load:
        for _ in range(max(1, SECONDS // 3)):
            for application in applications:
                load.wait(20)
                application.restart()
                wait_until(lambda: application.server.accepted > 0, "it to be asked again, after fail_timeout")
        load.wait(20)
    assert load.failed == [], load.failed[:3]
    for a in applications:
        a.server.close()
