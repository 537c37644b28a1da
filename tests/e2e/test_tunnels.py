"""Upgraded connections: each side ends when it likes, or is slow, or vanishes; nothing that was said is lost by it."""
import queue
import socket
import struct
import threading
import time

import pytest

from harness import WAIT, header_values
from test_gateway_exchange import conf, lines, named

TO = "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $http_connection; proxy_pass http://%s;"
SWITCH = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: raw\r\nConnection: Upgrade\r\n\r\n"
ASK = "Host: localhost\r\nUpgrade: raw\r\nConnection: upgrade\r\n"


def upgrade(c, path="/"):
    c.send(f"GET {path} HTTP/1.1\r\n{ASK}\r\n")
    assert c.head()[1] == 101


def reset(c):
    c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    c.sock.close()


def test_who_has_said_his_end_gets_all_that_comes_however_slow_he_is(proxy, scripted_upstream):
    """More than fits between the two; the upstream's end is seen while the last of it waits for room."""
    sizes = range(4_100_000, 6_000_000, 100_000)

    def script(c):
        c.until(b"\r\n\r\n")
        c.send(SWITCH)
        c.send(bytes(int(c.rest())))
    gate = proxy(conf(TO % scripted_upstream(script).address))
    taken = queue.Queue()

    def ask(size):
        with gate.plain() as c:
            c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            upgrade(c)
            c.send(str(size))
            c.sock.shutdown(socket.SHUT_WR)
            time.sleep(0.3)
            taken.put(len(c.rest()))
    threads = [threading.Thread(target=ask, args=[size]) for size in sizes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken.get(timeout=WAIT) for _ in sizes) == list(sizes)
    assert "failed" not in gate.log()
    assert {line.split("|")[4] for line in lines(gate, len(sizes))} == {"OK"}


def test_a_slow_client_is_no_timeout_of_the_upstream(proxy, scripted_upstream):
    size = 20_000_000

    def script(c):
        c.until(b"\r\n\r\n")
        c.send(SWITCH)
        c.send(bytes(size))
    gate = proxy(conf("proxy_read_timeout 300ms; " + TO % scripted_upstream(script).address))
    with gate.plain() as c:
        upgrade(c)
        time.sleep(1)
        assert len(c.rest()) == size


@pytest.mark.parametrize("end", ["reset", "silence"])
@pytest.mark.parametrize("switches", [True, False], ids=["tunnel", "response"])
def test_how_it_ends_says_nothing_against_who_answered(proxy, scripted_upstream, end, switches):
    """max_fails counts servers that do not answer."""
    def script(c):
        c.until(b"\r\n\r\n")
        c.send(SWITCH if switches else "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
        c.send("hello")
        if end == "reset":
            c.exactly(1) if switches else time.sleep(0.1)
            reset(c)
        else:
            c.rest()
    a, b = scripted_upstream(script), scripted_upstream(named("b"))
    gate = proxy(conf("proxy_read_timeout 500ms; " + TO % "app",
                      f"upstream app {{ server {a.address}; server {b.address} backup; }}"))
    for _ in range(2):
        with gate.plain() as c:
            c.send(f"GET / HTTP/1.1\r\n{ASK}\r\n")
            status = c.head()[1]
            assert status == (101 if switches else 200) and c.exactly(5) == b"hello"
            c.send("x")
            assert c.rest() == b""
    assert "disabled" not in gate.log()
    assert [line.split("|")[1:4] for line in lines(gate, 2)] == [[str(status), a.address, str(status)]] * 2


@pytest.mark.parametrize("buffering", ["on", "off"])
def test_it_begins_behind_the_request(proxy, scripted_upstream, buffering):
    """RFC 9110, 7.8: nobody changes the protocol in the middle of a message."""
    def script(c):
        c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        c.until(b"\r\n\r\n")
        c.send(SWITCH)
        time.sleep(0.5)
        c.rest()
    gate = proxy(conf(f"client_max_body_size 0; proxy_request_buffering {buffering}; " + TO % scripted_upstream(script).address))
    size = 20_000_000
    with gate.plain() as c:
        c.send(f"POST / HTTP/1.1\r\n{ASK}Content-Length: {size}\r\n\r\n")
        c.send(bytes(size if buffering == "on" else size // 2))
        assert c.head()[1] == 502
    gate.logged("101 before the end of the request")


def test_of_plain_http_to_where_nobody_is_asked_it_outlives_a_reload(proxy, scripted_upstream):
    def script(c):
        c.until(b"\r\n\r\n")
        c.send(SWITCH)
        while data := c.sock.recv(100):
            c.send(data)
    text = """server { listen {port} ssl; ssl_certificate {certs}/server.crt; ssl_certificate_key {certs}/server.key;
        ssl_client_certificate {certs}/ca.crt; ssl_verify_client on; error_page 497 = /plain; %s
        location /plain { ssl_verify_client off; """ + TO % scripted_upstream(script).address + " } }"
    gate = proxy(text % "")
    with gate.plain() as c:
        upgrade(c)
        gate.reload(text % "ssl_crl {certs}/rogues/crl.pem;")
        gate.logged("gracefully shutting down")
        time.sleep(0.3)
        c.send("ping")
        assert c.exactly(4) == b"ping"
    assert "refused" not in gate.log()


@pytest.mark.parametrize("keeps", [True, False], ids=["its own status", "the status of the error"])
def test_an_error_page_is_none(proxy, upstream, keeps):
    gate = proxy(conf("return 404;", server=f"error_page 404 {'' if keeps else '= '}/page; location /page {{ {TO % upstream.address} }}"))
    with gate.plain() as c:
        c.send(f"GET / HTTP/1.1\r\n{ASK}\r\n")
        answer = c.answer()
        assert answer.status == (404 if keeps else 200)
        assert header_values(answer.json(), "Upgrade") == ([] if keeps else ["raw"])
