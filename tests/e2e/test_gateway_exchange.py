"""Upstreams chosen, given up and tried again; deadlines; what a drained worker still does."""
import os
import pathlib
import queue
import signal
import socket
import struct
import threading
import time

import pytest

from harness import WAIT, Connection, ScriptedUpstream, header_values, read_request, small_answers, wait_until

CONF = """events { %(events)s } http { log_format lines '$request|$status|$upstream_addr|$upstream_status|$request_completion|$body_bytes_sent';
  access_log {folder}/access.log lines; %(http)s server { listen {port}; %(server)s location / { %(location)s } } }"""


def conf(location, http="", server="", events=""):
    return CONF % {"location": location, "http": http, "server": server, "events": events}


def lines(gate, count=1):
    """Lines of the access log, once there are that many."""
    path = pathlib.Path(gate.folder) / "access.log"
    return wait_until(lambda: (lambda l: l if len(l) >= count else None)(
        path.read_text().splitlines() if path.exists() else []), f"{count} lines in the access log")


def named(name):
    """A script that answers every request with its name."""
    def script(c):
        while True:
            read_request(c)
            c.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(name)}\r\n\r\n{name}")
    return script


def never(c):
    """Reads and says nothing."""
    c.rest()


def dead_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def ask(gate, count=1, **more):
    with gate.plain() as c:
        return "".join(c.get(**more).body.decode() for _ in range(count))


# ---- which server ----

def test_weights_are_kept(proxy, scripted_upstream):
    a, b = scripted_upstream(named("a")), scripted_upstream(named("b"))
    gate = proxy(conf("proxy_pass http://app;", f"upstream app {{ server {a.address} weight=3; server {b.address}; }}"))
    assert ask(gate, 8) == "aabaaaba"


def test_least_conn_avoids_the_busy_one(proxy, scripted_upstream):
    busy = threading.Event()

    def slow(c):
        read_request(c)
        busy.wait(10)
        c.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na")
    a, b = scripted_upstream(slow), scripted_upstream(named("b"))
    gate = proxy(conf("proxy_pass http://app;", f"upstream app {{ least_conn; server {a.address}; server {b.address}; }}"))
    with gate.plain() as waiting:
        waiting.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_until(lambda: a.accepted, "the first request")
        assert ask(gate, 4) == "bbbb"
        busy.set()
        assert waiting.answer().body == b"a"


def test_ip_hash_keeps_a_client_at_its_server(proxy, scripted_upstream):
    servers = [scripted_upstream(named(n)) for n in "abc"]
    gate = proxy(conf("proxy_pass http://app;", "upstream app { ip_hash; %s }" %
                      "".join(f"server {s.address};" for s in servers)))
    assert len(set(ask(gate, 6))) == 1


def test_a_failed_server_is_left_alone_and_backups_serve(proxy, scripted_upstream):
    b = scripted_upstream(named("b"))
    gate = proxy(conf("proxy_pass http://app;", f"""upstream app {{ server 127.0.0.1:{dead_port()} fail_timeout=60;
        server {b.address} backup; }}"""))
    assert ask(gate, 3) == "bbb"
    got = [l.split("|")[3] for l in lines(gate, 3)]
    assert got == ["502, 200", "200", "200"]
    gate.logged("upstream server temporarily disabled while connecting to upstream")


def test_no_live_upstreams(proxy):
    gate = proxy(conf("proxy_pass http://app;", "upstream app { server 127.0.0.1:1 down; server 127.0.0.1:2 down; }"))
    with gate.plain() as c:
        assert c.get().status == 502
    assert lines(gate, 1)[0].split("|")[2:4] == ["app", "502"]
    line = gate.logged("no live upstreams while connecting to upstream")
    assert 'upstream: "http://app/"' in line and 'request: "GET / HTTP/1.1"' in line and 'host: "localhost"' in line


def test_a_server_that_is_back_serves_though_it_rests_when_the_other_is_out(proxy, scripted_upstream):
    first, second = scripted_upstream(named("a")), scripted_upstream(named("b"))
    servers = " ".join(f"server {s.address} fail_timeout=60s;" for s in (first, second))
    gate = proxy(conf("proxy_pass http://app;", f"upstream app {{ {servers} }}"))
    first.close()
    assert ask(gate, 2) == "bb"
    gate.logged("temporarily disabled")
    with socket.create_server(("127.0.0.1", first.port)) as again:
        second.close()
        with gate.plain() as c:
            c.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            with Connection(again.accept()[0]) as upstream:
                read_request(upstream)
                upstream.send("HTTP/1.1 204 Back\r\n\r\n")
            assert c.answer().status == 204


def test_next_upstream_by_status(proxy, scripted_upstream):
    def sorry(c):
        while True:
            read_request(c)
            c.send("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")
    a, b = scripted_upstream(sorry), scripted_upstream(named("b"))
    http = f"upstream app {{ server {a.address} max_fails=0; server {b.address} backup; }}"
    gate = proxy(conf("proxy_next_upstream http_503 non_idempotent; proxy_pass http://app;", http))
    with gate.plain() as c:
        assert c.get().body == b"b"
        assert c.get(method="POST", headers="Content-Length: 0\r\n").body == b"b"
    strict = proxy(conf("proxy_next_upstream http_503; proxy_pass http://app;", http))
    with strict.plain() as c:
        assert c.get(method="POST", headers="Content-Length: 0\r\n").status == 503
        assert c.get().body == b"b"


def test_next_upstream_tries_and_off(proxy, scripted_upstream):
    b = scripted_upstream(named("b"))
    for limit in ("proxy_next_upstream off;", "proxy_next_upstream_tries 1;"):
        gate = proxy(conf(f"{limit} proxy_pass http://app;",
                          f"upstream app {{ server 127.0.0.1:{dead_port()}; server {b.address} backup; }}"))
        with gate.plain() as c:
            assert c.get().status == 502


def test_max_conns(proxy, scripted_upstream):
    a = scripted_upstream(never)
    gate = proxy(conf("proxy_pass http://app;", f"upstream app {{ server {a.address} max_conns=1; }}"))
    with gate.plain() as first:
        first.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_until(lambda: a.accepted, "the first request")
        with gate.plain() as second:
            assert second.get().status == 502


def test_upstream_on_a_unix_socket(proxy, tmp_path):
    path = tmp_path / "app.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve():
        sock, _ = listener.accept()
        with Connection(sock) as c:
            seen = read_request(c)
            c.send("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(seen["target"]), seen["target"]))
    threading.Thread(target=serve, daemon=True).start()
    gate = proxy(conf("proxy_pass http://unix:%s:/in/;" % path), main="user root;" if os.getuid() == 0 else "")
    assert ask(gate, path="/x") == "/in/x"
    assert lines(gate)[0].split("|")[2] == f"unix:{path}"
    listener.close()
    path.unlink()
    with gate.plain() as c:
        assert c.get().status == 502
    gate.logged(f"connect() to unix:{path} failed (2: No such file or directory) while connecting to upstream")


# ---- connections to it ----

def test_connections_are_kept(proxy, scripted_upstream):
    a = scripted_upstream(named("a"))
    gate = proxy(conf("proxy_http_version 1.1; proxy_set_header Connection ''; proxy_pass http://app;",
                      f"upstream app {{ server {a.address}; keepalive 4; keepalive_requests 3; }}"))
    assert ask(gate, 7) == "aaaaaaa"
    assert a.accepted == 3


def test_a_connection_on_which_half_a_request_went_out_is_not_used_again(proxy, scripted_upstream):
    """The next request would be the rest of the body."""
    def answers_early(c):
        c.until(b"\r\n\r\n")
        c.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly")
        small_answers(c)
    a = scripted_upstream(answers_early)
    gate = proxy(conf("proxy_request_buffering off; proxy_http_version 1.1; proxy_set_header Connection ''; proxy_pass http://app;",
                      f"upstream app {{ server {a.address}; keepalive 4; }}"))
    with gate.plain() as c:
        c.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhe")
        assert c.answer().body == b"early"
    with gate.plain() as c:
        assert c.get().body == b"early"
    assert a.accepted == 2


def test_a_kept_connection_is_not_shared_with_what_nobody_asked_for(proxy, scripted_upstream):
    def script(c):
        read_request(c)
        c.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
        c.rest()
    a = scripted_upstream(script)
    gate = proxy(conf("proxy_http_version 1.1; proxy_set_header Connection ''; proxy_pass http://app;",
                      f"upstream app {{ server {a.address}; keepalive 4; }}"))
    with gate.plain() as c:
        assert [c.get().body for _ in range(3)] == [b"ok"] * 3
    assert a.accepted == 3


# ---- names at run time ----

def test_without_a_resolver_a_name_in_a_variable_is_502(proxy):
    gate = proxy(conf("set $to app.test; proxy_pass http://$to:8080;"))
    with gate.plain() as c:
        assert c.get().status == 502
    gate.logged('no resolver defined to resolve "app.test"')


def name_server(answers):
    """Answers A queries from a table for as long as the test runs."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                query, peer = sock.recvfrom(2048)
            except OSError:
                return
            labels, at = [], 12
            while query[at]:
                labels.append(query[at + 1:at + 1 + query[at]].decode())
                at += query[at] + 1
            question = query[12:at + 5]
            kind = struct.unpack(">H", query[at + 1:at + 3])[0]
            address = answers.get(".".join(labels).lower())
            found = [b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04" + socket.inet_aton(address)] if address and kind == 1 else []
            flags = 0x8180 if address else 0x8183
            sock.sendto(query[:2] + struct.pack(">HHHHH", flags, 1, len(found), 0, 0) + question + b"".join(found), peer)
    threading.Thread(target=serve, daemon=True).start()
    return sock


def test_names_are_looked_up_at_run_time(proxy, scripted_upstream):
    a = scripted_upstream(named("a"))
    dns = name_server({"app.test": "127.0.0.1"})
    gate = proxy(conf(f"set $to $arg_to; proxy_pass http://$to:{a.port};",
                      server="resolver 127.0.0.1:%d ipv6=off; resolver_timeout 3s;" % dns.getsockname()[1]))
    try:
        assert ask(gate, 2, path="/?to=app.test") == "aa"
        with gate.plain() as c:
            assert c.get("/?to=none.test").status == 502
        gate.logged('"none.test" could not be resolved')
    finally:
        dns.close()


def test_an_upstream_block_by_variable(proxy, scripted_upstream):
    a = scripted_upstream(named("a"))
    gate = proxy(conf("set $to app; proxy_pass http://$to;", f"upstream app {{ server {a.address}; }}"))
    assert ask(gate, 2) == "aa"


# ---- bodies ----

def test_error_page_says_the_body_again(proxy, upstream):
    gate = proxy(conf("error_page 502 = @other; proxy_pass http://127.0.0.1:%d;" % dead_port(),
                      server="client_body_temp_path {folder}; location @other { proxy_pass http://%s; }" % upstream.address))
    with gate.plain() as c:
        for size in (3, 100000):
            c.send(f"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n" + "b" * size)
            answer = c.answer()
            assert (answer.status, answer.json()["body_bytes"], answer.json()["method"]) == (200, size, "POST")


def test_too_large_bodies(proxy, upstream):
    gate = proxy(conf("client_max_body_size 1k; proxy_pass http://%s;" % upstream.address))
    with gate.plain() as c:
        c.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1025\r\n\r\n")
        assert c.answer().status == 413
    with gate.plain() as c:
        c.send("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n" + "x" * 1024 + "\r\n1\r\nx\r\n")
        answer = c.answer()
        assert (answer.status, answer.headers["connection"]) == (413, "close")
    assert upstream.requests == []
    gate.logged("client intended to send too large body: 1025 bytes")
    gate.logged("client intended to send too large chunked body")


def test_spooled_bodies_leave_no_files(proxy, upstream):
    gate = proxy(conf("client_body_temp_path {folder}/body; client_body_buffer_size 1k; proxy_pass http://%s;" % upstream.address),
                 prepare=lambda folder: (folder / "body").mkdir())
    with gate.plain() as c:
        c.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000\r\n\r\n" + "x" * 50000)
        assert c.answer().json()["body_bytes"] == 50000
    assert list((pathlib.Path(gate.folder) / "body").rglob("*")) == []


def test_rest_of_a_body_that_was_answered_early_is_read_away(proxy, upstream):
    gate = proxy(conf("proxy_pass http://%s;" % upstream.address, server="location /own { return 200 own; }"))
    with gate.plain() as c:
        c.send("POST /own HTTP/1.1\r\nHost: localhost\r\nContent-Length: 300000\r\n\r\n")
        assert c.answer().body == b"own"
        c.send("x" * 300000)
        assert c.get("/after").json()["target"] == "/after"


# ---- deadlines ----

@pytest.mark.parametrize("directive, script, why", [
    ("proxy_read_timeout 300ms;", never, "while reading response header from upstream"),
    ("proxy_read_timeout 300ms;", lambda c: (read_request(c), c.send("HTTP/1.1 200 O"), time.sleep(5)),
     "while reading response header from upstream"),
])
def test_silent_upstream_is_504(proxy, scripted_upstream, directive, script, why):
    gate = proxy(conf(f"{directive} proxy_pass http://{scripted_upstream(script).address};"))
    with gate.plain() as c:
        assert c.get().status == 504
    gate.logged(f"upstream timed out (110: Connection timed out) {why}")


def test_upstream_that_takes_nothing_is_504(proxy, scripted_upstream):
    stop = threading.Event()

    def script(c):
        c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stop.wait(10)
    gate = proxy(conf("client_max_body_size 0; proxy_send_timeout 400ms; proxy_pass http://%s;" % scripted_upstream(script).address,
                      server="client_body_temp_path {folder};"))
    size = 16 << 20
    with gate.plain() as c:
        c.send(f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n")
        c.send(b"x" * size)
        assert c.answer().status == 504
    stop.set()
    gate.logged("upstream timed out (110: Connection timed out) while sending request to upstream")


def test_response_that_stops_is_cut_visibly(proxy, scripted_upstream):
    def script(c):
        read_request(c)
        c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        time.sleep(5)
    gate = proxy(conf("proxy_read_timeout 300ms; proxy_pass http://%s;" % scripted_upstream(script).address))
    with gate.plain() as c:
        answer = c.get()
    assert (answer.status, answer.complete) == (200, False)
    gate.logged("upstream timed out (110: Connection timed out) while reading upstream")
    assert lines(gate)[0].split("|")[1::3] == ["200", ""]


def test_slow_response_is_no_timeout(proxy, scripted_upstream):
    """proxy_read_timeout counts between two reads, not in all."""
    def script(c):
        read_request(c)
        c.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        for i in range(5):
            time.sleep(0.2)
            c.send("x")
    gate = proxy(conf("proxy_read_timeout 600ms; proxy_pass http://%s;" % scripted_upstream(script).address))
    assert ask(gate) == "xxxxx"


def test_slow_client_is_no_timeout_of_the_upstream(proxy, scripted_upstream):
    size = 20 << 20

    def script(c):
        read_request(c)
        c.send(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n")
        c.send(b"x" * size)
    gate = proxy(conf("proxy_read_timeout 300ms; proxy_pass http://%s;" % scripted_upstream(script).address))
    with gate.plain() as c:
        c.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        c.head()
        time.sleep(1)
        assert len(c.exactly(size)) == size


def test_the_end_is_seen_however_full_the_client_is(proxy, scripted_upstream):
    """The last octets may be what fills the client: the end behind them must not wait for more."""
    def script(c):
        while True:
            size = int(read_request(c)["target"][1:])
            c.send(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n")
            c.send(b"x" * size)
    gate = proxy(conf("proxy_read_timeout 3s; proxy_pass http://app;", "upstream app { server %s; keepalive 4; }"
                      % scripted_upstream(script).address))
    for size in range(10000, 6000000, 233017):
        with gate.plain() as c:
            c.send(f"GET /{size} HTTP/1.1\r\nHost: localhost\r\n\r\n")
            time.sleep(0.02)
            assert len(c.answer().body) == size
            assert len(c.get("/5").body) == 5
    assert "timed out" not in gate.log()


def test_slow_upload_is_no_timeout_of_the_upstream(proxy, upstream):
    gate = proxy(conf("proxy_request_buffering off; proxy_read_timeout 300ms; proxy_send_timeout 300ms; proxy_pass http://%s;"
                      % upstream.address))
    with gate.plain() as c:
        c.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n")
        for _ in range(4):
            time.sleep(0.2)
            c.send("x")
        assert c.answer().json()["body"] == "xxxx"


@pytest.mark.parametrize("headers, body, seen", [("Content-Length: 5", ("he", "llo"), "hello"),
                                                 ("Transfer-Encoding: chunked", ("0\r\n", "\r\n"), "")])
def test_a_body_that_comes_between_two_exchanges_is_the_nexts(proxy, upstream, scripted_upstream, headers, body, seen):
    def fails(c):
        c.until(b"\r\n\r\n")
        c.send("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n")
        c.rest()
    gate = proxy(conf("proxy_intercept_errors on; error_page 500 = /other; proxy_pass http://%s;" % scripted_upstream(fails).address,
                      "proxy_request_buffering off; limit_req_zone $binary_remote_addr zone=slow:32k rate=60r/m;",
                      "client_body_timeout 500ms; location /other { limit_req zone=slow burst=5; proxy_method POST; proxy_pass http://%s; }"
                      % upstream.address))
    with gate.plain() as c:
        assert c.get("/other").status == 200
        c.send(f"POST / HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n\r\n")
        gate.logged("delaying request")
        for piece in body:
            c.send(piece)
        assert c.answer().json()["body"] == seen
        assert c.get("/other").status == 200


def test_an_empty_body_that_was_sent_as_it_came_can_be_sent_again(proxy, upstream, scripted_upstream):
    dies = scripted_upstream(lambda c: c.until(b"\r\n0\r\n\r\n"))
    gate = proxy(conf("proxy_request_buffering off; proxy_pass http://app;",
                      "upstream app { server %s; server %s backup; }" % (dies.address, upstream.address)))
    with gate.plain() as c:
        c.send("PUT / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
        assert ["Content-Length", "0"] in c.answer().json()["headers"]
        assert c.get().status == 200


def test_client_deadlines(proxy, upstream):
    gate = proxy(conf("client_body_timeout 300ms; keepalive_timeout 300ms; proxy_pass http://%s;" % upstream.address,
                      server="client_header_timeout 300ms; lingering_timeout 300ms;"))
    with gate.plain() as c:  # nothing at all: nothing back
        assert c.is_closed()
    with gate.plain() as c:
        c.send("GET / HTTP/1.1\r\nHo")
        assert c.is_closed()
    with gate.plain() as c:
        c.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc")
        assert c.is_closed()
    with gate.plain() as c:
        assert c.get().status == 200
        begun = time.monotonic()
        assert c.is_closed()
        assert 0.2 < time.monotonic() - begun < 2
    assert [l.split("|")[1] for l in lines(gate, 3)] == ["408", "408", "200"]
    assert len(upstream.requests) == 1


def test_client_that_reads_nothing_is_let_go(proxy, scripted_upstream):
    def script(c):
        read_request(c)
        c.send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        c.send(b"x" * 100000000)
    gate = proxy(conf("send_timeout 500ms; proxy_pass http://%s;" % scripted_upstream(script).address))
    with gate.plain() as c:
        c.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        gate.logged("client timed out (110: Connection timed out) while sending to client")


def test_tunnel_that_idles_is_closed(proxy, scripted_upstream):
    def script(c):
        c.until(b"\r\n\r\n")
        c.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello")
        c.rest()
    gate = proxy(conf("proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; "
                      "proxy_read_timeout 400ms; proxy_pass http://%s;" % scripted_upstream(script).address))
    with gate.plain() as c:
        c.send("GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n")
        assert c.head()[1] == 101
        assert c.exactly(5) == b"hello"
        begun = time.monotonic()
        assert c.is_closed()
        assert 0.2 < time.monotonic() - begun < 3


def test_what_came_before_the_end_of_a_tunnel_reaches_a_slow_upstream(proxy, scripted_upstream):
    """More than fits between the two; the end is seen while the last of it waits for room."""
    sizes, taken = range(4_100_000, 6_000_000, 100_000), queue.Queue()

    def script(c):
        c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        c.until(b"\r\n\r\n")
        c.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: raw\r\nConnection: Upgrade\r\n\r\n")
        time.sleep(0.3)
        taken.put(len(c.rest()))
    gate = proxy(conf("proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; "
                      "proxy_pass http://%s;" % scripted_upstream(script).address))

    def ask(size):
        with gate.plain() as c:
            c.send("GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: raw\r\nConnection: upgrade\r\n\r\n")
            assert c.head()[1] == 101
            c.send(bytes(size))
            c.sock.shutdown(socket.SHUT_WR)
            c.rest()
    threads = [threading.Thread(target=ask, args=[size]) for size in sizes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken.get(timeout=WAIT) for _ in sizes) == list(sizes)


# ---- connections from clients ----

def test_pipelined_requests_are_answered_in_order(proxy, upstream):
    gate = proxy(conf("proxy_pass http://%s;" % upstream.address, server="location /own { return 200 own; }"))
    with gate.plain() as c:
        c.send("GET /1 HTTP/1.1\r\nHost: localhost\r\n\r\nPOST /2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc"
               "GET /own HTTP/1.1\r\nHost: localhost\r\n\r\nGET /4 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
               "GET /5 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert c.answer().json()["target"] == "/1"
        assert c.answer().json()["body"] == "abc"
        assert c.answer().body == b"own"
        assert c.answer().json()["target"] == "/4"
        assert c.is_closed()  # RFC 9112, 9.6: nothing behind close is processed
    assert [r["target"] for r in upstream.requests] == ["/1", "/2", "/4"]


@pytest.mark.parametrize("after", ["GET /444 HTTP/1.1\r\nHost: localhost\r\n\r\n", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n"],
                         ids=["444", "timeout"])
def test_a_request_that_gets_no_answer_takes_nothing_from_those_before(proxy, upstream, after):
    """The client reads late: the last of what it was answered waits here for room."""
    own, size = "GET /own HTTP/1.1\r\nHost: localhost\r\n\r\n", 8000
    gate = proxy(conf("client_body_timeout 100ms; proxy_pass http://%s;" % upstream.address,
                      server="location /own { return 200 %s; } location /444 { return 444; }" % ("x" * size)))

    def reading_late(text):
        c = gate.plain()
        c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        c.send(text)
        time.sleep(0.3)
        return c
    with reading_late(own * 1400):
        fit = len(lines(gate))
    for count in range(fit - 2, fit + 4):
        with reading_late(own * count + after) as c:
            assert [len(c.answer().body) for _ in range(count)] == [size] * count
            assert c.is_closed()


def test_keepalive_requests(proxy, upstream):
    gate = proxy(conf("keepalive_requests 2; proxy_pass http://%s;" % upstream.address))
    with gate.plain() as c:
        assert c.get().headers["connection"] == "keep-alive"
        assert c.get().headers["connection"] == "close"
        assert c.is_closed()


def test_worker_connections_make_others_wait(proxy, scripted_upstream):
    a = scripted_upstream(named("a"))
    gate = proxy(conf("proxy_pass http://%s;" % a.address, events="worker_connections 8;"))
    crowd = [gate.plain() for _ in range(12)]
    gate.logged("8 worker_connections are not enough")
    for c in crowd[:10]:
        c.close()
    assert crowd[11].get().body == b"a"
    for c in crowd[10:]:
        c.close()


def test_a_client_that_leaves_is_499(proxy, scripted_upstream):
    asked = []

    def script(c):
        asked.append(c.until(b"\r\n\r\n"))
        c.rest()
    gate = proxy(conf("proxy_pass http://%s;" % scripted_upstream(script).address))
    with gate.plain() as c:
        c.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_until(lambda: asked, "the request")
    assert lines(gate)[0].split("|")[1] == "499"
    gate.logged("client prematurely closed connection, so upstream connection is closed too while reading response header from upstream")


# ---- the way in is the gate's alone ----

def test_plain_http_on_a_verifying_port_finds_no_way_in(proxy, upstream):
    """error_page 497 shows a page; it does not lead to the upstream."""
    gate = proxy("""events {} http { server { listen {port} ssl; ssl_certificate {certs}/server.crt; ssl_certificate_key {certs}/server.key;
        ssl_client_certificate {certs}/ca.crt; ssl_verify_client on; error_page 400 497 = @app;
        location / { proxy_pass http://%s; } location @app { proxy_pass http://%s; } } }""" % (upstream.address, upstream.address))
    with gate.plain() as c:
        assert c.get().status == 400
    for octets in ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n"):
        with gate.tls(cert=None) as c:
            c.send(octets)
            assert c.answer().status in (400, 403)
    assert upstream.requests == []


# ---- the end ----

def test_quit_finishes_what_runs_and_closes_what_idles(proxy, upstream):
    gate = proxy(conf("proxy_pass http://%s;" % upstream.address))
    with gate.plain() as idle, gate.plain() as running:
        assert idle.get().status == 200
        running.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\na")
        time.sleep(0.2)
        gate.process.send_signal(signal.SIGQUIT)
        assert idle.is_closed()
        running.send("bc")
        answer = running.answer()
        assert (answer.json()["body"], answer.headers["connection"]) == ("abc", "close")
        assert running.is_closed()
    assert gate.process.wait(5) == 0


def test_a_kept_connection_gets_one_more_answer_after_a_reload(proxy, upstream):
    text = conf("proxy_pass http://%s;" % upstream.address)
    gate = proxy(text)
    with gate.plain() as c:
        assert c.get().headers["connection"] == "keep-alive"
        gate.reload(text)
        time.sleep(0.3)
        assert c.get().headers["connection"] == "close"
        assert c.is_closed()
