"""HTTP/1 from clients, rule by rule (RFC 9112 and 9110), each on the program itself."""
import pytest

from harness import header_values


@pytest.fixture
def plain(proxy, upstream):
    return proxy("""events {} http { server { listen {port}; client_max_body_size 1m;
        location / { proxy_pass http://%s; }
        location /text { return 200 "text"; } } }""" % upstream.address)


def status_of(gate, octets):
    with gate.plain() as c:
        c.send(octets)
        answer = c.answer()
        if answer.status >= 400:
            assert c.is_closed(), "an error of syntax ends the connection"
        return answer.status


GOOD = "Host: localhost\r\n"


@pytest.mark.parametrize("rule, octets, status", [
    ("4.1 bare CR", "GET / HTTP/1.1\r\n" + GOOD + "A: b\rc\r\n\r\n", 400),
    ("4.1 bare LF ends head lines", "GET / HTTP/1.1\n" + "Host: localhost\n\n", 200),
    ("4.1 one leading empty line", "\r\nGET / HTTP/1.1\r\n" + GOOD + "\r\n", 200),
    ("4.1 space before the first field", "GET / HTTP/1.1\r\n " + GOOD + "\r\n", 400),
    ("4.2 two spaces", "GET  / HTTP/1.1\r\n" + GOOD + "\r\n", 400),
    ("4.2 space in target", "GET /a b HTTP/1.1\r\n" + GOOD + "\r\n", 400),
    ("4.2 8000 octets of target", "GET /" + "a" * 7990 + " HTTP/1.1\r\n" + GOOD + "\r\n", 200),
    ("4.2 too long a target", "GET /" + "a" * 40000 + " HTTP/1.1\r\n" + GOOD + "\r\n", 414),
    ("4.2 unknown method passes", "BREW / HTTP/1.1\r\n" + GOOD + "\r\n", 200),
    ("4.2 lower case is no method", "get / HTTP/1.1\r\n" + GOOD + "\r\n", 400),
    ("4.2 version 2.0", "GET / HTTP/2.0\r\n" + GOOD + "\r\n", 505),
    ("4.2 version 1.2", "GET / HTTP/1.2\r\n" + GOOD + "\r\n", 200),
    ("4.2 no version", "GET /\r\n\r\n", 400),
    ("4.3 no Host", "GET / HTTP/1.1\r\n\r\n", 400),
    ("4.3 two Hosts", "GET / HTTP/1.1\r\n" + GOOD + GOOD + "\r\n", 400),
    ("4.3 empty Host", "GET / HTTP/1.1\r\nHost: \r\n\r\n", 400),
    ("4.3 empty Host in 1.0", "GET / HTTP/1.0\r\nHost:\r\n\r\n", 400),
    ("4.3 bad Host", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    ("4.3 userinfo in Host", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400),
    ("4.3 no Host in 1.0", "GET /text HTTP/1.0\r\n\r\n", 200),
    ("4.3 OPTIONS *", "OPTIONS * HTTP/1.1\r\n" + GOOD + "\r\n", 200),
    ("4.3 CONNECT", "CONNECT localhost:80 HTTP/1.1\r\n" + GOOD + "\r\n", 405),
    ("4.3 TRACE", "TRACE / HTTP/1.1\r\n" + GOOD + "\r\n", 405),
    ("4.4 space before colon", "GET / HTTP/1.1\r\n" + GOOD + "A : b\r\n\r\n", 400),
    ("4.4 obs-fold", "GET / HTTP/1.1\r\n" + GOOD + "A: b\r\n c\r\n\r\n", 400),
    ("4.4 NUL in value", "GET / HTTP/1.1\r\n" + GOOD + "A: b\0c\r\n\r\n", 400),
    ("4.4 empty name", "GET / HTTP/1.1\r\n" + GOOD + ": b\r\n\r\n", 400),
    ("4.4 no colon", "GET / HTTP/1.1\r\n" + GOOD + "abc\r\n\r\n", 400),
    ("4.4 too long a field", "GET / HTTP/1.1\r\n" + GOOD + "A: " + "b" * 40000 + "\r\n\r\n", 431),
    ("4.5 TE and CL", "POST / HTTP/1.1\r\n" + GOOD + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("4.5 TE not chunked last", "POST / HTTP/1.1\r\n" + GOOD + "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 400),
    ("4.5 chunked twice", "POST / HTTP/1.1\r\n" + GOOD + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    ("4.5 chunked in two fields", "POST / HTTP/1.1\r\n" + GOOD + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("4.5 TE in 1.0", "POST / HTTP/1.0\r\n" + GOOD + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("4.5 unknown coding", "POST / HTTP/1.1\r\n" + GOOD + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    ("4.5 CL with sign", "POST / HTTP/1.1\r\n" + GOOD + "Content-Length: +3\r\n\r\nabc", 400),
    ("4.5 CL empty", "POST / HTTP/1.1\r\n" + GOOD + "Content-Length: \r\n\r\nabc", 400),
    ("4.5 CL overflow", "POST / HTTP/1.1\r\n" + GOOD + "Content-Length: 99999999999999999999999\r\n\r\nabc", 400),
    ("4.5 CL twice, differing", "POST / HTTP/1.1\r\n" + GOOD + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 400),
    ("4.5 CL list", "POST / HTTP/1.1\r\n" + GOOD + "Content-Length: 3, 3\r\n\r\nabc", 400),
    ("4.6 chunk size with 0x", "POST / HTTP/1.1\r\n" + GOOD + "Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n", 400),
    ("4.6 chunk size with sign", "POST / HTTP/1.1\r\n" + GOOD + "Transfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n", 400),
    ("4.6 chunk size overflow", "POST / HTTP/1.1\r\n" + GOOD + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc", 400),
    ("4.6 bare LF in chunks", "POST / HTTP/1.1\r\n" + GOOD + "Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n", 400),
    ("4.6 no CRLF behind a chunk", "POST / HTTP/1.1\r\n" + GOOD + "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", 400),
    ("4.6 chunk extension ignored", "POST / HTTP/1.1\r\n" + GOOD + "Transfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\n\r\n", 200),
    ("4.8 unknown expectation", "POST / HTTP/1.1\r\n" + GOOD + "Expect: a-miracle\r\nContent-Length: 3\r\n\r\nabc", 417),
    ("too large a body", "POST / HTTP/1.1\r\n" + GOOD + "Content-Length: 2000000\r\n\r\n", 413),
    ("dots above the root", "GET /../x HTTP/1.1\r\n" + GOOD + "\r\n", 400),
    ("%00 in the path", "GET /a%00b HTTP/1.1\r\n" + GOOD + "\r\n", 400),
], ids=lambda v: v if isinstance(v, str) and v[0] != "G" and "HTTP/" not in v else None)
def test_rule(plain, rule, octets, status):
    if "leading empty" in rule or status == 200:
        with plain.plain() as c:
            c.send(octets)
            assert c.answer().status == 200
    else:
        assert status_of(plain, octets) == status


def test_absolute_form_replaces_host(plain):
    with plain.plain() as c:
        c.send("GET http://other.test/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert c.answer().json()["target"] == "/x"


def test_pipelined_answers_come_in_order(plain):
    with plain.plain() as c:
        c.send("".join(f"GET /{i} HTTP/1.1\r\n{GOOD}\r\n" for i in range(20)))
        assert [c.answer().json()["target"] for _ in range(20)] == [f"/{i}" for i in range(20)]


def test_nothing_after_close_is_processed(plain, upstream):
    with plain.plain() as c:
        c.send(f"GET /1 HTTP/1.1\r\n{GOOD}Connection: close\r\n\r\nGET /2 HTTP/1.1\r\n{GOOD}\r\n")
        answer = c.answer()
        assert answer.headers["connection"] == "close"
        assert c.is_closed()
    assert [r["target"] for r in upstream.requests] == ["/1"]


def test_head_has_no_body(plain):
    with plain.plain() as c:
        c.send(f"HEAD / HTTP/1.1\r\n{GOOD}\r\nGET /text HTTP/1.1\r\n{GOOD}\r\n")
        assert c.answer("HEAD").status == 200
        assert c.answer().body == b"text"


def test_http_1_0_closes_unless_asked(plain):
    with plain.plain() as c:
        c.send(f"GET / HTTP/1.0\r\n{GOOD}\r\n")
        c.answer()
        assert c.is_closed()
    with plain.plain() as c:
        c.send(f"GET / HTTP/1.0\r\n{GOOD}Connection: keep-alive\r\n\r\n")
        assert c.answer().headers["connection"] == "keep-alive"
        c.send(f"GET / HTTP/1.0\r\n{GOOD}\r\n")
        assert c.answer().status == 200


def test_expect_100_continue_is_answered_when_the_body_is_wanted(plain):
    with plain.plain() as c:
        c.send(f"POST / HTTP/1.1\r\n{GOOD}Content-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        _, status, _, _ = c.head()
        assert status == 100
        c.send("abc")
        answer = c.answer()
        assert answer.json()["body"] == "abc"


def test_trailers_of_a_request_end_here_as_with_nginx(proxy, upstream):
    """Servers that join them to the head would take another address from them than proxy_set_header's."""
    gate = proxy("""events {} http { server { listen {port}; location / { proxy_request_buffering off;
        proxy_set_header X-Tenant here; proxy_pass http://%s; } } }""" % upstream.address)
    with gate.plain() as c:
        c.send(f"POST / HTTP/1.1\r\n{GOOD}Transfer-Encoding: chunked\r\nTrailer: X-Late\r\n\r\n3\r\nabc\r\n0\r\n"
               "X-Late: 1\r\nX-Tenant: other\r\nX-Forwarded-Proto: http\r\nForwarded: for=1.2.3.4\r\n\r\n")
        seen = c.answer().json()
    assert seen["body"] == "abc" and seen["trailers"] == [] and header_values(seen, "Trailer") == []
    assert header_values(seen, "X-Tenant") == ["here"]


def test_trailers_are_not_merged_into_headers(plain):
    with plain.plain() as c:
        c.send(f"POST / HTTP/1.1\r\n{GOOD}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Late: 1\r\nContent-Length: 99\r\n\r\n")
        seen = c.answer().json()
        assert header_values(seen, "X-Late") == []
        c.send(f"GET /text HTTP/1.1\r\n{GOOD}\r\n")
        assert c.answer().body == b"text"


def test_head_cut_at_every_octet_is_the_same_request(plain):
    request = f"POST /cut?x=1 HTTP/1.1\r\n{GOOD}A: b\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    with plain.plain() as c:
        for octet in request:
            c.send(octet)
        seen = c.answer().json()
    assert (seen["target"], seen["body"], header_values(seen, "A")) == ("/cut?x=1", "abc", ["b"])


def test_underscore_names_are_dropped_by_default(plain):
    with plain.plain() as c:
        seen = c.get(headers="X_Odd: 1\r\nX-Even: 2\r\n").json()
    assert header_values(seen, "X_Odd") == [] and header_values(seen, "X-Even") == ["2"]
