"""Bodies of any size with back-pressure: memory stays flat, octets stay right."""
import hashlib
import os
import pathlib

import pytest

from harness import INSTRUMENTED, WAIT, Connection

SIZE = int(os.environ.get("PORTCULLIS_BODY_MB", "64")) << 20
PIECE = bytes(range(256)) * 256
FLAT_KB = 12 * 1024


def resident_kb(gate):
    total = 0
    for pid in gate.workers():
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                total = max(total, int(line.split()[1]))
    return total


def pieces(size):
    while size > 0:
        yield PIECE[:min(size, len(PIECE))]
        size -= len(PIECE)


def digest(size):
    h = hashlib.sha256()
    for p in pieces(size):
        h.update(p)
    return h.hexdigest()


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_download_to_a_slow_client_keeps_memory_flat(proxy, scripted_upstream, framing):
    def script(c):
        c.until(b"\r\n\r\n")
        c.send({"length": f"HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n", "close": "HTTP/1.0 200 OK\r\n\r\n",
                "chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"}[framing])
        for p in pieces(SIZE):
            c.send(b"%x\r\n%s\r\n" % (len(p), p) if framing == "chunked" else p)
        if framing == "chunked":
            c.send("0\r\n\r\n")

    gate = proxy("""server { listen {port} ssl; ssl_certificate {certs}/server.crt; ssl_certificate_key {certs}/server.key;
        ssl_client_certificate {certs}/ca.crt; ssl_verify_client on;
        location / { proxy_pass http://%s; } }""" % scripted_upstream(script).address)
    with gate.tls() as c:
        before = resident_kb(gate)
        c.send("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        _, status, _, headers = c.head()
        assert status == 200
        h, size = hashlib.sha256(), 0
        chunked = headers.get("transfer-encoding") == "chunked"
        while size < SIZE:
            if chunked:
                n = int(c.until(b"\r\n"), 16)
                data = c.exactly(n)
                assert c.exactly(2) == b"\r\n"
            else:
                data = c.exactly(min(SIZE - size, 1 << 16))
            assert data
            h.update(data)
            size += len(data)
        if chunked:
            assert c.until(b"\r\n") == b"0"
    assert h.hexdigest() == digest(SIZE)
    if not INSTRUMENTED:
        assert resident_kb(gate) - before < FLAT_KB


@pytest.mark.parametrize("buffering", ["on", "off"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_upload_to_a_slow_upstream_keeps_memory_flat(proxy, scripted_upstream, buffering, framing):
    got = []

    def script(c):
        head = c.until(b"\r\n\r\n").decode().lower()
        h, size = hashlib.sha256(), 0
        while True:
            if "transfer-encoding: chunked" in head:
                n = int(c.until(b"\r\n"), 16)
                data = c.exactly(n)
                c.exactly(2)
                if not n:
                    break
            else:
                data = c.exactly(min(SIZE - size, 1 << 16))
                if not data:
                    break
            h.update(data)
            size += len(data)
        got.append((size, h.hexdigest()))
        c.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    gate = proxy("""server { listen {port} ssl; ssl_certificate {certs}/server.crt; ssl_certificate_key {certs}/server.key;
        ssl_client_certificate {certs}/ca.crt; ssl_verify_client on; client_max_body_size 0;
        location / { client_body_temp_path {folder}; proxy_request_buffering %s; proxy_pass http://%s; } }"""
                 % (buffering, scripted_upstream(script).address))
    with gate.tls() as c:
        before = resident_kb(gate)
        length = f"Content-Length: {SIZE}" if framing == "length" else "Transfer-Encoding: chunked"
        c.send(f"POST / HTTP/1.1\r\nHost: localhost\r\n{length}\r\n\r\n")
        for p in pieces(SIZE):
            c.send(b"%x\r\n%s\r\n" % (len(p), p) if framing == "chunked" else p)
        if framing == "chunked":
            c.send("0\r\n\r\n")
        answer = c.answer()
    assert (answer.status, answer.body) == (200, b"ok")
    assert got == [(SIZE, digest(SIZE))]
    if not INSTRUMENTED:
        assert resident_kb(gate) - before < FLAT_KB


def test_upload_without_close_notify_is_incomplete(proxy, scripted_upstream):
    """An upload that TLS did not end properly is not the whole."""
    got = []

    def script(c):
        c.until(b"\r\n\r\n")
        got.append(c.rest())
    gate = proxy("""server { listen {port} ssl; ssl_certificate {certs}/server.crt; ssl_certificate_key {certs}/server.key;
        ssl_client_certificate {certs}/ca.crt; ssl_verify_client on; location / { proxy_pass http://%s; } }"""
                 % scripted_upstream(script).address)
    c = gate.tls()
    c.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf")
    c.sock.close()
    gate.stop()
    assert got == []  # buffered: the upstream never heard of it
