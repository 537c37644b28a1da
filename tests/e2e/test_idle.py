"""Connections that wait cost little, open or half-way through a handshake, and wake up all at once. PORTCULLIS_IDLE=10000
for the full size."""
import contextlib
import itertools
import os
import pathlib
import resource
import socket
import ssl

import pytest
from harness import INSTRUMENTED, WAIT

COUNT = int(os.environ.get("PORTCULLIS_IDLE", "600"))
VERSIONS = (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2)
GATE = """events { worker_connections %d; } http { access_log off; keepalive_timeout 10m;
    server { listen {port} ssl backlog=4096; ssl_certificate {certs}/server.crt; ssl_certificate_key {certs}/server.key;
        ssl_client_certificate {certs}/ca.crt; ssl_verify_client on; location / { return 200 $ssl_client_s_dn; } } }"""
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def memory_kb(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def contexts(certs):
    for version in VERSIONS:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(certs / "ca.crt")
        context.load_cert_chain(certs / "client.crt", certs / "client.key")
        context.minimum_version = context.maximum_version = version
        yield context


def answer(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(4096) or b"\r\n\r\n closed"
    while not data.endswith(b"CN=client"):
        data += connection.recv(4096) or b" closed CN=client"
    return data


def ask_all(connections):
    for c in connections:
        c.sendall(REQUEST)
    for c in connections:
        seen = answer(c)
        assert seen.startswith(b"HTTP/1.1 200 ") and b"closed" not in seen, seen


@pytest.fixture
def gate(proxy):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return proxy(GATE % (COUNT + 100))


class HalfOpen:
    """A handshake that stops behind the server's first flight."""

    def __init__(self, gate, context):
        self.raw = socket.create_connection(("127.0.0.1", gate.port), WAIT)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing)
        self.go_on()
        self.flight = self.raw.recv(65536)

    def go_on(self):
        """True: the handshake is over here."""
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:
            self.raw.sendall(self.outgoing.read())
        return True

    def finish(self):
        self.incoming.write(self.flight)
        while not self.go_on():
            self.incoming.write(self.raw.recv(65536))

    def close(self):
        self.raw.close()

    def ask(self):
        self.tls.write(REQUEST)
        self.raw.sendall(self.outgoing.read())
        data = b""
        while not data.endswith(b"CN=client"):
            self.incoming.write(self.raw.recv(65536) or pytest.fail("closed"))
            with contextlib.suppress(ssl.SSLWantReadError):
                data += self.tls.read(65536)
        assert data.startswith(b"HTTP/1.1 200 "), data


@contextlib.contextmanager
def crowd(gate, connect, warm=lambda connections: None):
    """COUNT connections by connect(context), of either version by turns, and what says how many KB the worker has grown since
    the first 50, which bring what all share."""
    (worker,) = gate.workers()
    with contextlib.ExitStack() as stack:
        connections = []
        for context in itertools.islice(itertools.cycle(contexts(gate.certs)), COUNT):
            connections.append(stack.enter_context(contextlib.closing(connect(context))))
            if len(connections) == 50:
                warm(connections)
                before = memory_kb(worker)
        yield connections, lambda: memory_kb(worker) - before
    assert gate.workers() == [worker]


def check_size(gate, grown_kb, each_kb, shared_kb):
    if not INSTRUMENTED:
        assert grown_kb < (COUNT - 50) * each_kb + shared_kb, grown_kb


def test_handshakes_that_wait_are_small_and_all_go_on_at_once(gate):
    with crowd(gate, lambda context: HalfOpen(gate, context)) as (connections, grown_kb):
        check_size(gate, grown_kb(), each_kb=12, shared_kb=1024)
        for c in connections:
            c.finish()
        for c in connections:
            c.ask()


def test_idle_connections_are_small_and_all_wake_at_once(gate):
    def connect(context):
        return context.wrap_socket(socket.create_connection(("127.0.0.1", gate.port), WAIT))

    with crowd(gate, connect, ask_all) as (connections, grown_kb):
        for _ in range(3):
            ask_all(connections)
        # What waits in a worker's pools is below 2 MB, however many connections there are.
        check_size(gate, grown_kb(), each_kb=7, shared_kb=2048)
