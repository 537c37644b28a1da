"""Whoever has come is answered, in whatever state QUIT, a reload or another program finds the connection."""
import contextlib
import os
import signal
import socket
import ssl
import time

import pytest

from harness import WAIT, wait_until
from test_upgrade import started  # noqa: F401

REQUEST = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
TEXT = """events {} http { access_log off; client_header_timeout 60s; keepalive_timeout 60s;
    server { listen {port} ssl; ssl_certificate {certs}/server.crt; ssl_certificate_key {certs}/server.key;
             ssl_client_certificate {certs}/ca.crt; ssl_verify_client on; location / { return 200 "here"; } } }"""


class Client:
    """Whose octets go when they are told to."""

    def __init__(self, gate):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.load_cert_chain(gate.certs / "client.crt", gate.certs / "client.key")
        self.sock = socket.create_connection(("127.0.0.1", gate.port), timeout=WAIT)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")

    def hello(self):
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self.outgoing.read()

    def do(self, call, *args):
        while True:
            try:
                result = call(*args)
                self.sock.sendall(self.outgoing.read())
                return result
            except ssl.SSLWantReadError:
                self.sock.sendall(self.outgoing.read())
                data = self.sock.recv(65536)
                if not data:
                    raise EOFError("the connection's end") from None
                self.incoming.write(data)

    def shake_hands(self):
        self.do(self.tls.do_handshake)

    def send(self, text):
        self.do(self.tls.write, text.encode())

    def answer(self):
        got = b""
        while not got.endswith(b"here"):
            got += self.do(self.tls.read, 65536)
        return got

    def get(self):
        self.send(REQUEST)
        return self.answer()

    def is_ended(self):
        try:
            return self.do(self.tls.read, 1) == b""
        except EOFError:
            return True


# Each brings a connection into its state, and then asks.

def connected(client):
    yield
    client.shake_hands()
    client.send(REQUEST)


def half_a_client_hello(client):
    hello = client.hello()
    client.sock.sendall(hello[:100])
    yield
    client.sock.sendall(hello[100:])
    client.shake_hands()
    client.send(REQUEST)


def a_handshake_under_way(client):
    client.sock.sendall(client.hello())
    client.incoming.write(client.sock.recv(65536))
    yield
    client.shake_hands()
    client.send(REQUEST)


def a_handshake_done(client):
    client.shake_hands()
    yield
    client.send(REQUEST)


def half_a_head(client):
    client.shake_hands()
    client.send(REQUEST[:20])
    yield
    client.send(REQUEST[20:])


def half_a_head_on_a_kept_one(client):
    client.shake_hands()
    client.get()
    client.send(REQUEST[:20])
    yield
    client.send(REQUEST[20:])


STATES = [connected, half_a_client_hello, a_handshake_under_way, a_handshake_done, half_a_head, half_a_head_on_a_kept_one]


class Halted:
    """The workers do nothing meanwhile; what is done to them comes at once."""

    def __init__(self, gate):
        self.workers = gate.workers()

    def __enter__(self):
        for pid in self.workers:
            os.kill(pid, signal.SIGSTOP)

    def __exit__(self, *_):
        for pid in self.workers:
            os.kill(pid, signal.SIGCONT)


def bring(gate):
    clients = [(Client(gate), state) for state in STATES]
    asking = [(client, state(client)) for client, state in clients]
    for _, steps in asking:
        next(steps)
    time.sleep(0.1)  # what was sent is read
    return asking


def ask(asking):
    for client, steps in asking:
        next(steps, None)
        assert b"\r\nConnection: close\r\n" in client.answer(), steps.__name__
        client.sock.close()


def quit_it(gate):
    gate.process.send_signal(signal.SIGQUIT)


@pytest.mark.parametrize("change", [quit_it, lambda gate: gate.reload()], ids=["QUIT", "HUP"])
def test_each_who_has_come_is_answered(proxy, change):
    gate = proxy(TEXT)
    asking = bring(gate)
    change(gate)
    gate.logged("gracefully shutting down")
    ask(asking)
    if change is quit_it:
        assert gate.process.wait(WAIT) == 0


def test_each_who_has_come_is_answered_when_a_new_program_takes_over(started):  # noqa: F811
    gate = started(TEXT)
    asking = bring(gate.proxy)
    gate.upgrade()
    os.kill(gate.old, signal.SIGQUIT)
    gate.proxy.logged("gracefully shutting down")
    ask(asking)
    assert gate.proxy.process.wait(WAIT) == 0


@pytest.mark.parametrize("options", ["", " reuseport"])
def test_quit_accepts_who_waits_to_be(proxy, options):
    gate = proxy(TEXT.replace("{port} ssl", "{port} ssl" + options), workers=2)
    wait_until(lambda: len(gate.workers()) == 2, "two workers")
    with Halted(gate):
        waiting = [(c := Client(gate), connected(c)) for _ in range(20)]
        for _, steps in waiting:
            next(steps)
        quit_it(gate)
        time.sleep(0.3)  # both have it in their channels
    ask(waiting)
    assert gate.process.wait(WAIT) == 0


def test_quit_answers_what_was_asked_on_a_kept_connection_before_it(proxy):
    gate = proxy(TEXT)
    asked, idle = Client(gate), Client(gate)
    for client in (asked, idle):
        client.shake_hands()
        client.get()
    with Halted(gate):
        quit_it(gate)
        time.sleep(0.3)
        asked.send(REQUEST)
    assert b"\r\nConnection: close\r\n" in asked.answer()
    assert idle.is_ended()
    assert gate.process.wait(WAIT) == 0


def test_who_says_nothing_holds_it_no_longer_than_client_header_timeout(proxy):
    gate = proxy(TEXT.replace("client_header_timeout 60s", "client_header_timeout 1s"))
    silent = Client(gate)
    silent.shake_hands()
    quit_it(gate)
    assert gate.process.wait(WAIT) == 0
    assert silent.is_ended()
