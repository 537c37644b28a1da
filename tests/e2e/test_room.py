"""All worker_connections are taken: who gives way, and who does not."""
import contextlib
import socket
import ssl
import time

import pytest

from harness import WAIT

PLACES, KEPT, STRANGERS = 16, 5, 24
GATE = """events { worker_connections %d; } http { access_log off; keepalive_timeout 10m; client_header_timeout 60s; send_timeout 60s;
    limit_req_zone $server_name zone=slow:32k rate=30r/m;
    server { listen {port} ssl; server_name localhost; ssl_certificate {certs}/server.crt; ssl_certificate_key {certs}/server.key;
        ssl_handshake_timeout 60s; ssl_client_certificate {certs}/ca.crt; ssl_verify_client on;
        location / { return 200 in; } }
    server { listen {port2}; server_name localhost; location / { limit_req zone=slow burst=5; proxy_pass http://UPSTREAM; } } }""" % PLACES
STRANGER = "127.0.0.66"
CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
CONTEXT.check_hostname, CONTEXT.verify_mode = False, ssl.CERT_NONE


def connect(gate):
    return socket.create_connection(("127.0.0.1", gate.port), WAIT, source_address=(STRANGER, 0))


def says_nothing(gate):
    return connect(gate)


def begins_a_handshake(gate):
    sock, out = connect(gate), ssl.MemoryBIO()
    tls = CONTEXT.wrap_bio(ssl.MemoryBIO(), out)
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    sock.sendall(out.read())
    return sock


def speaks_tls(gate, words):
    """Without a certificate. While the gate accepts nobody, that takes until it does."""
    sock = CONTEXT.wrap_socket(connect(gate))
    sock.sendall(words)
    return sock


def asks_nothing(gate):
    return speaks_tls(gate, b"")


def asks_half(gate):
    return speaks_tls(gate, b"GET / HTTP/1.1\r\nHost: loc")


def goes_on_after_a_refusal(gate):
    return speaks_tls(gate, b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nx")


@pytest.mark.parametrize("behave", [says_nothing, begins_a_handshake, asks_nothing, asks_half, goes_on_after_a_refusal])
def test_strangers_give_way_and_push_out_nobody_who_was_let_in(proxy, behave):
    gate = proxy(GATE.replace("UPSTREAM", "127.0.0.1"))
    with contextlib.ExitStack() as ends:
        kept = [ends.enter_context(gate.tls()) for _ in range(KEPT)]
        for c in kept:
            assert c.get().status == 200
        for _ in range(STRANGERS):
            ends.enter_context(behave(gate))
        # Behind all of them in the kernel's queue.
        assert ends.enter_context(gate.tls()).get().body == b"in"
        gate.logged(f"{PLACES} worker_connections are not enough")
        gate.logged("closed for others: all worker_connections are taken")
        for c in kept:
            assert c.get().body == b"in"


def test_a_request_that_waits_keeps_its_place(proxy, upstream):
    gate = proxy(GATE.replace("UPSTREAM", upstream.address))
    with contextlib.ExitStack() as ends:
        assert gate.plain(gate.ports[1]).get().status == 200
        late = ends.enter_context(gate.plain(gate.ports[1]))
        late.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        begun = time.monotonic()
        for _ in range(STRANGERS):
            ends.enter_context(begins_a_handshake(gate))
        assert late.answer().status == 200
        assert time.monotonic() - begun > 1.2  # Others were old enough to go, and did.
        gate.logged("closed for others")


def test_the_log_tells_of_a_full_house_once_a_second(proxy):
    gate = proxy(GATE.replace("UPSTREAM", "127.0.0.1"))
    with contextlib.ExitStack() as ends:
        for _ in range(PLACES):
            ends.enter_context(says_nothing(gate))
        time.sleep(1.1)
        begun = time.monotonic()
        for _ in range(PLACES):
            ends.enter_context(says_nothing(gate))
        gate.logged("closed for others")
        assert ends.enter_context(gate.tls()).get().body == b"in"
        assert gate.log().count("are not enough") <= 2 + (time.monotonic() - begun)


def test_idle_clients_give_way_while_they_are_most(proxy):
    gate = proxy(GATE.replace("UPSTREAM", "127.0.0.1"))
    with contextlib.ExitStack() as ends:
        kept = []
        for _ in range(PLACES + 4):
            kept.append(ends.enter_context(gate.tls()))
            assert kept[-1].get().body == b"in"
        assert kept[0].is_closed() and kept[4].is_closed()
        assert kept[-1].get().body == b"in"
        assert "closed for others" not in gate.log()


def test_idle_clients_give_way_where_all_strangers_wait_for_their_answers(proxy, upstream):
    gate = proxy(GATE.replace("UPSTREAM", upstream.address).replace("burst=5", f"burst={PLACES}"))
    with contextlib.ExitStack() as ends:
        kept = [ends.enter_context(gate.tls()) for _ in range(KEPT)]
        for c in kept:
            assert c.get().status == 200
        for _ in range(PLACES - KEPT):
            ends.enter_context(gate.plain(gate.ports[1])).send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        begun = time.monotonic()
        assert ends.enter_context(gate.tls()).get().body == b"in"
        assert kept[0].is_closed()
        assert time.monotonic() - begun < 2  # Nobody's answer had to be waited for.
