"""A gateway's duties (RFC 9110, 7.6 and around)."""
import base64
import hashlib
import os
import signal
import socket
import threading
import time

import pytest

from harness import WAIT, header_values


def proxied(proxy, address, more="", http="", port_options=""):
    return proxy("""events {} http { %s server { listen {port}%s;
        location / { %s proxy_pass http://%s; } } }""" % (http, port_options, more, address))


def answer_with(octets, keep=False):
    """A script that reads one head and sends these octets."""
    def script(c):
        c.until(b"\r\n\r\n")
        c.send(octets)
    return script


def test_connection_and_what_it_names_stay_on_this_hop(proxy, upstream):
    gate = proxied(proxy, upstream.address)
    with gate.plain() as c:
        seen = c.get(headers="Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nProxy-Connection: keep-alive\r\n"
                             "TE: trailers\r\nUpgrade: h2c\r\nX-Stays: 1\r\n").json()
    names = {n.lower() for n, _ in seen["headers"]}
    assert "x-stays" in names
    assert not names & {"x-hop", "keep-alive", "proxy-connection", "te", "upgrade"}


def test_hop_by_hop_fields_of_responses_stay_too(proxy, scripted_upstream):
    gate = proxied(proxy, scripted_upstream(answer_with(
        "HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nContent-Length: 2\r\nX-Stays: 1\r\n\r\nhi")).address)
    with gate.plain() as c:
        answer = c.get()
    assert answer.body == b"hi" and answer.headers["x-stays"] == "1"
    assert "x-hop" not in answer.headers and answer.headers.get("connection") == "keep-alive"


def test_path_and_query_pass_byte_for_byte(proxy, upstream):
    gate = proxied(proxy, upstream.address)
    for target in ("/a%2fb//c/./d?x=%20&y=a/../b", "/%E4%BD%A0?", "/a;b=c,d"):
        with gate.plain() as c:
            assert c.get(target).json()["target"] == target


@pytest.mark.parametrize("target, seen", [
    ("/admin/../open/x?a=/../b", "/open/x?a=/../b"), ("/admin/%2e%2e/open/x", "/open/x"), ("/admin/..%2Fopen%2fx", "/open/x")])
def test_the_upstream_gets_the_path_that_the_location_was_found_by(proxy, upstream, target, seen):
    """Whoever does not resolve ".." would take it for one below /admin, which is guarded here."""
    gate = proxy("""events {} http { server { listen {port}; location / { return 404; }
        location /admin { deny all; } location /open { proxy_pass http://%s; } } }""" % upstream.address)
    with gate.plain() as c:
        assert c.get(target).json()["target"] == seen
        assert c.get("/open/../admin/x").status == 403


def test_order_of_same_name_fields_is_kept(proxy, upstream):
    gate = proxied(proxy, upstream.address)
    with gate.plain() as c:
        seen = c.get(headers="X-A: 1\r\nX-B: 2\r\nx-a: 3\r\n").json()
    assert header_values(seen, "X-A") == ["1", "3"]


@pytest.mark.parametrize("first, status, tries", [("GET", 200, 2), ("POST", 200, 2)])
def test_dead_idle_backend_is_replaced_unseen(proxy, scripted_upstream, first, status, tries):
    """An idle connection that the upstream closed costs no request."""
    def script(c):
        c.until(b"\r\n\r\n")
        c.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")  # and then closes without saying so
    server = scripted_upstream(script)
    gate = proxy("events {} http { upstream app { server %s; keepalive 4; } server { listen {port}; "
                 "location / { proxy_http_version 1.1; proxy_set_header Connection ''; proxy_pass http://app; } } }" % server.address)
    with gate.plain() as c:
        for _ in range(tries):
            assert c.get(method=first, headers="Content-Length: 0\r\n").status == status
            time.sleep(0.05)


@pytest.mark.parametrize("last_words", ["", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen"])
def test_what_came_before_the_request_is_not_its_answer(proxy, scripted_upstream, last_words):
    """The worker learns at once that a request is to go to the idle connection and that something came on it."""
    idle, said = threading.Event(), threading.Event()

    def app(c):
        c.until(b"\r\n\r\n")
        c.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        if not idle.is_set():
            assert idle.wait(WAIT)
            c.send(last_words)
            c.sock.shutdown(socket.SHUT_WR)
            said.set()
        c.until(b"\r\n\r\n")

    def sends_on(c):
        c.until(b"\r\n\r\n")
        worker, = gate.workers()
        os.kill(worker, signal.SIGSTOP)
        c.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Accel-Redirect: /app\r\n\r\n")
        idle.set()
        said.wait(WAIT)
        os.kill(worker, signal.SIGCONT)
    servers = scripted_upstream(app), scripted_upstream(sends_on)
    gate = proxy("events {} http { upstream app { server %s; keepalive 4; } server { listen {port}; "
                 "proxy_http_version 1.1; proxy_set_header Connection ''; location / { proxy_pass http://app; } "
                 "location /on { proxy_pass http://%s; } } }" % tuple(s.address for s in servers))
    with gate.plain() as c:
        assert c.get("/app").body == b"hi"
        answer = c.get("/on")
    assert (answer.status, answer.body) == (200, b"hi")
    assert servers[0].accepted == 2


def test_a_post_is_not_said_twice(proxy, scripted_upstream):
    heads = []

    def script(c):
        heads.append(c.until(b"\r\n\r\n"))  # and closes without an answer
    server = scripted_upstream(script)
    gate = proxy("events {} http { upstream app { server %s max_fails=0; server %s max_fails=0; } server { listen {port}; "
                 "location / { proxy_pass http://app; } } }" % (server.address, server.address))
    with gate.plain() as c:
        c.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc")
        assert c.answer().status == 502
    assert len(heads) == 1
    gate.logged("upstream prematurely closed connection while reading response header from upstream")


def test_what_proxy_method_makes_a_post_is_not_said_twice(proxy, scripted_upstream):
    heads = []

    def script(c):
        heads.append(c.until(b"\r\n\r\n"))
    server = scripted_upstream(script)
    gate = proxy("events {} http { upstream app { server %s max_fails=0; server %s max_fails=0; } server { listen {port}; "
                 "location / { proxy_method POST; proxy_pass http://app; } } }" % (server.address, server.address))
    with gate.plain() as c:
        assert c.get().status == 502
    assert len(heads) == 1 and heads[0].startswith(b"POST /")


def test_a_get_goes_to_the_next_server(proxy, scripted_upstream, upstream):
    dead = scripted_upstream(lambda c: c.until(b"\r\n\r\n"))
    gate = proxy("events {} http { upstream app { server %s; server %s backup; } server { listen {port}; "
                 "add_header X-Tries '$upstream_addr $upstream_status'; "
                 "location / { proxy_pass http://app; } } }" % (dead.address, upstream.address))
    with gate.plain() as c:
        answer = c.get()
    assert answer.status == 200
    assert answer.headers["x-tries"] == f"{dead.address}, {upstream.address} 502, 200"


def test_informational_responses_pass_on_but_not_to_1_0(proxy, scripted_upstream):
    server = scripted_upstream(answer_with("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"))
    gate = proxied(proxy, server.address)
    with gate.plain() as c:
        c.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        _, status, _, headers = c.head()
        assert status in (103, 200)
        if status == 103:
            assert headers["link"] == "</a>"
            assert c.answer().body == b"hi"
    with gate.plain() as c:
        c.send("GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
        _, status, _, _ = c.head()
        assert status == 200


def websocket(c):
    head = c.until(b"\r\n\r\n").decode()
    assert "upgrade: websocket" in head.lower() and "connection: upgrade" in head.lower(), head
    key = next(l.split(": ")[1] for l in head.split("\r\n") if l.lower().startswith("sec-websocket-key"))
    accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
    c.send(f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n")
    while data := c.exactly(5):
        c.send(data[::-1])


def test_websocket_passes_when_configured(proxy, scripted_upstream):
    server = scripted_upstream(websocket)
    gate = proxied(proxy, server.address, "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; "
                                          "proxy_set_header Connection 'upgrade';")
    with gate.plain() as c:
        c.send("GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
        _, status, _, headers = c.head()
        assert status == 101 and headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        for word in (b"hello", b"again"):
            c.send(word)
            assert c.exactly(5) == word[::-1]


def test_an_upgrade_without_the_protocols_name_gets_no_empty_one(proxy, scripted_upstream):
    server = scripted_upstream(answer_with("HTTP/1.1 101 Switching Protocols\r\n\r\n"))
    gate = proxied(proxy, server.address, "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; "
                                          "proxy_set_header Connection 'upgrade';")
    with gate.plain() as c:
        c.send("GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        _, status, _, headers = c.head()
    assert status == 101 and "upgrade" not in headers


def test_an_upgrade_nobody_asked_for_is_502(proxy, scripted_upstream):
    server = scripted_upstream(answer_with("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"))
    gate = proxied(proxy, server.address)
    with gate.plain() as c:
        assert c.get().status == 502


@pytest.mark.parametrize("octets, why", [
    ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", "two lengths"),
    ("HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\nabc", "no number"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", "length and chunks"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc", "unknown coding"),
    ("HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "space before colon"),
    ("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "folded"),
    ("HTTP/1.1 20 OK\r\n\r\n", "status of two digits"),
    ("HTTP/1.1 200 OK\r\nA: " + "b" * 100000 + "\r\n\r\n", "too large a head"),
    ("nonsense\r\n\r\n", "no HTTP"), ("", "nothing"), ("HTTP/1.1 200", "half a status line"),
], ids=lambda v: v if len(v) < 25 else "")
def test_bad_response_is_502(proxy, scripted_upstream, octets, why):
    gate = proxied(proxy, scripted_upstream(answer_with(octets)).address)
    with gate.plain() as c:
        assert c.get().status == 502
    gate.logged("upstream")


def test_fields_whose_names_are_none_are_left_out(proxy, scripted_upstream):
    octets = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX/Odd: 1\r\nX-\xe9: 2\r\nX_Kept: 3\r\n\r\nhi"
    gate = proxied(proxy, scripted_upstream(lambda c: (c.until(b"\r\n\r\n"), c.send(octets.encode("latin-1")))).address)
    with gate.plain() as c:
        answer = c.get()
    assert answer.status == 200 and answer.body == b"hi"
    assert [n for n in answer.headers if n.startswith("x")] == ["x_kept"]


@pytest.mark.parametrize("octets", [
    "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc"], ids=["length", "chunk", "bad chunk"])
def test_response_that_breaks_off_is_cut_visibly(proxy, scripted_upstream, octets):
    gate = proxied(proxy, scripted_upstream(answer_with(octets)).address)
    with gate.plain() as c:
        answer = c.get()
        assert answer.status == 200 and not answer.complete or answer.status == 502
        assert c.is_closed()


def test_body_until_close_reaches_1_1_clients_whole(proxy, scripted_upstream):
    gate = proxied(proxy, scripted_upstream(answer_with("HTTP/1.0 200 OK\r\n\r\n" + "x" * 100000)).address)
    with gate.plain() as c:
        answer = c.get()
        assert answer.complete and len(answer.body) == 100000
        assert answer.headers.get("transfer-encoding") == "chunked"


def test_refused_connection_is_502_and_silence_504(proxy, scripted_upstream):
    from harness import free_port
    gate = proxied(proxy, f"127.0.0.1:{free_port()}")
    with gate.plain() as c:
        assert c.get().status == 502
    gate.logged("connect() failed (111: Connection refused) while connecting to upstream")
    silent = scripted_upstream(lambda c: c.rest())
    gate = proxied(proxy, silent.address, "proxy_read_timeout 200ms;")
    with gate.plain() as c:
        assert c.get().status == 504
    gate.logged("upstream timed out (110: Connection timed out) while reading response header from upstream")


def test_date_and_server_are_there(proxy, upstream):
    gate = proxied(proxy, upstream.address)
    with gate.plain() as c:
        answer = c.get()
    assert "date" in answer.headers and answer.headers["server"].startswith("portcullis")


def test_trailers_of_a_response_pass_on(proxy, scripted_upstream):
    gate = proxied(proxy, scripted_upstream(answer_with(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n")).address)
    with gate.plain() as c:
        assert c.get().body == b"hi"


def test_early_answer_of_the_upstream_reaches_an_uploading_client(proxy, scripted_upstream):
    server = scripted_upstream(answer_with("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"))
    gate = proxied(proxy, server.address, "proxy_request_buffering off; client_max_body_size 0;")
    with gate.plain() as c:
        c.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n" + "x" * 1000)
        answer = c.answer()
        assert (answer.status, answer.body) == (413, b"no")


@pytest.mark.parametrize("buffering", ["on", "off"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_bodies_arrive_as_they_were_sent(proxy, upstream, buffering, framing):
    gate = proxied(proxy, upstream.address, f"proxy_request_buffering {buffering};")
    body = "0123456789" * 20000
    with gate.plain() as c:
        if framing == "length":
            c.send(f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n{body}")
        else:
            c.send("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" +
                   "".join(f"{len(p):x}\r\n{p}\r\n" for p in (body[i:i + 777] for i in range(0, len(body), 777))) + "0\r\n\r\n")
        seen = c.answer().json()
    assert seen["body_bytes"] == len(body)
    assert header_values(seen, "Content-Length") + header_values(seen, "Transfer-Encoding") != []


def test_client_that_leaves_ends_the_exchange(proxy, scripted_upstream):
    ended = []

    def script(c):
        c.until(b"\r\n\r\n")
        ended.append(c.is_closed())
    server = scripted_upstream(script)
    gate = proxied(proxy, server.address, http="access_log {folder}/access.log;")
    c = gate.plain()
    c.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    while not server.accepted:
        time.sleep(0.01)
    time.sleep(0.1)
    c.close()
    from harness import wait_until
    wait_until(lambda: ended, "the upstream connection to end")
    gate.stop()
    assert '" 499 ' in (gate.folder / "access.log").read_text()


def test_intercepted_error_gets_the_page_of_the_location(proxy, scripted_upstream):
    server = scripted_upstream(answer_with("HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy"))
    gate = proxy("""events {} http { server { listen {port}; error_page 503 =202 /sorry; location = /sorry { return 202 "sorry"; }
        location / { proxy_intercept_errors on; proxy_pass http://%s; } } }""" % server.address)
    with gate.plain() as c:
        answer = c.get()
    assert (answer.status, answer.body) == (202, b"sorry")


def test_x_accel_redirect_leads_to_an_internal_location(proxy, scripted_upstream):
    server = scripted_upstream(answer_with("HTTP/1.1 200 OK\r\nX-Accel-Redirect: /inside?a=b\r\nContent-Length: 4\r\n\r\nlost"))
    gate = proxy("""events {} http { server { listen {port}; location /inside { internal; return 200 "inside $args"; }
        location / { proxy_pass http://%s; } } }""" % server.address)
    with gate.plain() as c:
        assert c.get("/inside").status == 404
        assert c.get("/").body == b"inside a=b"
