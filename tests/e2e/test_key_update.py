"""RFC 8446, 4.6.3: a client may go on with new keys, or ask us for the same, at any time."""
import ctypes
import ctypes.util
import socket

import pytest

from harness import WAIT

GATE = """server { listen {port} ssl; ssl_certificate {certs}/server.crt; ssl_certificate_key {certs}/server.key;
    ssl_client_certificate {certs}/ca.crt; ssl_verify_client on;
    location / { proxy_pass http://%s; } }"""
SIZE = 8 << 20
NOT_REQUESTED, REQUESTED = 0, 1
PEM = 1

lib = ctypes.CDLL(ctypes.util.find_library("ssl"))
for name in ("TLS_client_method", "SSL_CTX_new", "SSL_new"):
    getattr(lib, name).restype = ctypes.c_void_p


class Client:
    """libssl itself: Python's ssl module has no key_update, and openssl s_client sends it with the next data only."""

    def __init__(self, gate):
        self.socket = socket.create_connection(("127.0.0.1", gate.port), WAIT)
        self.socket.settimeout(None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, WAIT.to_bytes(8, "little") + bytes(8))
        self.context = ctypes.c_void_p(lib.SSL_CTX_new(ctypes.c_void_p(lib.TLS_client_method())))
        for use, file in ((lib.SSL_CTX_use_certificate_file, "client.crt"), (lib.SSL_CTX_use_PrivateKey_file, "client.key")):
            assert use(self.context, str(gate.certs / file).encode(), PEM) == 1
        self.ssl = ctypes.c_void_p(lib.SSL_new(self.context))
        assert lib.SSL_set_fd(self.ssl, self.socket.fileno()) == 1
        assert lib.SSL_connect(self.ssl) == 1
        self.data = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        lib.SSL_free(self.ssl)
        lib.SSL_CTX_free(self.context)
        self.socket.close()

    def update(self, kind):
        return lib.SSL_key_update(self.ssl, kind) == 1 and lib.SSL_do_handshake(self.ssl) == 1

    def send(self, data):
        assert lib.SSL_write(self.ssl, data, len(data)) == len(data)

    def more(self):
        room = ctypes.create_string_buffer(1 << 16)
        n = lib.SSL_read(self.ssl, room, len(room))
        if n <= 0:
            raise EOFError
        self.data += room.raw[:n]

    def answer(self):
        """Status line and body, which has a Content-Length."""
        while b"\r\n\r\n" not in self.data:
            self.more()
        head, _, self.data = self.data.partition(b"\r\n\r\n")
        size = int(head.lower().split(b"content-length:")[1].split()[0])
        while len(self.data) < size:
            self.more()
        body, self.data = self.data[:size], self.data[size:]
        return head.split(b"\r\n")[0], body


@pytest.mark.parametrize("kind", [NOT_REQUESTED, REQUESTED])
def test_requests_go_on_after_updates(gate, upstream, kind):
    with Client(gate) as client:
        for count in range(1, 41):
            assert client.update(kind)
            client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b" 200 " in client.answer()[0]
    assert len(upstream.requests) == 40


@pytest.mark.parametrize("kind", [NOT_REQUESTED, REQUESTED])
def test_updates_in_the_middle_of_bodies_both_ways(proxy, scripted_upstream, kind):
    def script(c):
        c.until(b"\r\n\r\n")
        body = c.exactly(SIZE)
        c.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE + body)

    piece = bytes(range(256)) * 2048
    with Client(proxy(GATE % scripted_upstream(script).address, main="client_max_body_size 0;")) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % SIZE)
        for _ in range(SIZE // len(piece)):
            client.send(piece)
            assert client.update(kind)
        for _ in range(16):
            client.more()
            assert client.update(kind)
        status, body = client.answer()
        assert b" 200 " in status and body == piece * (SIZE // len(piece))


def test_a_flood_of_updates_ends_the_connection(gate):
    with Client(gate) as client:
        # Behind an answer the handshake is over, for the slowest of servers, too.
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        client.answer()
        for _ in range(33):
            if not client.update(NOT_REQUESTED):
                break
        with pytest.raises(EOFError):
            client.more()
    assert "[info]" in gate.logged("TLS record error: the peer sent too many KeyUpdates without data")
