"""Whoever writes what clients and upstreams send into a log, a header of ours or a page, could be made to write
something else: lines, fields, terminal commands, markup."""
import json
import re
import subprocess

import pytest

from harness import ARTICLE

LINE = re.compile(rb"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[\w+\] \d+#\d+: ")
EVIL = {
    "quote": b'a", client: "6.6.6.6',
    "backslash": b"a\\",
    "escape": b"a\x1b[2J",
    "csi": b"a\x9b2J",
    "csi in UTF-8": b"a\xc2\x9b2J",
    "right to left": b"a\xe2\x80\xaeb",
    "no UTF-8": b"a\xff\xc3(",
    "delete": b"a\x7f",
    "tab": b"a\tb",
}


def is_clean(text):
    """Nothing in it acts instead of being seen."""
    return not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]", text)


def check_error_log(gate):
    raw = gate.log_path.read_bytes()
    for line in raw.splitlines():
        assert LINE.match(line), line
    text = raw.decode()  # and it is UTF-8
    assert is_clean(text), text
    assert 'client: "6.6.6.6' not in text


PLAIN = """
log_format json escape=json '{"uri": "$uri", "args": "$args", "agent": "$http_user_agent", "host": "$host"}';
log_format text '$remote_addr "$request" "$uri" "$http_user_agent" "$http_x"';
server {
    listen {port};
    access_log {folder}/json json;
    access_log {folder}/text text;
    location / { return 404; }
    location /refused { deny all; }
    location /pass { proxy_pass http://$http_x:1; }
    location /redirect { rewrite ^ https://elsewhere.test$uri redirect; }
    location /cycle { rewrite ^/cycle(.*)$ /cycle$1x last; }
    location /down { proxy_pass http://127.0.0.1:1; }
}
"""


@pytest.mark.parametrize("evil", EVIL.values(), ids=EVIL)
@pytest.mark.parametrize("path", [b"/", b"/refused", b"/pass", b"/redirect", b"/cycle", b"/down"])
def test_what_a_client_sends_stays_inside_its_field(shared, path, evil):
    gate = shared
    target = path + b"/" + b"".join(b"%%%02X" % c for c in evil)
    with gate.plain() as client:
        client.send(b"GET " + target + b"?" + evil.replace(b" ", b"+").replace(b"\t", b"+") + b" HTTP/1.1\r\n"
                    b"Host: localhost\r\nUser-Agent: " + evil + b"\r\nX: " + evil +
                    b"\r\nConnection: close\r\n\r\n")
        answer = client.rest()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"6.6.6.6" not in body and b"\x1b" not in body
    for line in head.split(b"\r\n"):
        assert not re.search(b"[\x00-\x08\x0a-\x1f\x7f]", line), line
    check_error_log(gate)


@pytest.mark.parametrize("evil", EVIL.values(), ids=EVIL)
def test_a_request_that_is_none_is_logged_as_it_can_be_seen(shared, evil):
    for head in (b"GET /" + evil, evil + b" / HTTP/1.1\r\nHost: a", b"GET / HTTP/1.1\r\nHost: " + evil,
                 b"GET / HTTP/1.1\r\n" + evil + b": b\r\nHost: a"):
        with shared.plain() as client:
            client.send(head + b"\r\n\r\n")
            client.sock.shutdown(1)
            client.rest()
    check_error_log(shared)


def test_access_logs_have_a_line_for_each_request_and_each_is_whole(proxy):
    gate = proxy(PLAIN)
    for evil in EVIL.values():
        with gate.plain() as client:
            path = b"".join(b"%%%02X" % c for c in evil + b"\r\n127.0.0.1 forged")
            client.send(b"GET /" + path + b" HTTP/1.1\r\nHost: localhost\r\nUser-Agent: " + evil +
                        b"\r\nConnection: close\r\n\r\n")
            client.rest()
    lines = (gate.folder / "json").read_bytes().splitlines()
    assert len(lines) == len(EVIL)
    for line, evil in zip(lines, EVIL.values()):
        seen = json.loads(line.decode())
        assert "forged" in seen["uri"] and seen["host"] == "localhost"
    text = (gate.folder / "text").read_bytes()
    assert len(text.splitlines()) == len(EVIL)
    for line in text.splitlines():
        assert re.fullmatch(rb'127\.0\.0\.1( "[\x20-\x21\x23-\x7e]*"){4}', line), line


@pytest.mark.parametrize("where", ["X-Accel-Redirect: /%s\x01", "Location: http://%s/", "Server: %s"])
def test_what_an_upstream_sends_stays_inside_its_field(proxy, scripted_upstream, where):
    evil = 'a", client: "6.6.6.6\x1b[2J'

    def script(connection):
        connection.until(b"\r\n\r\n")
        connection.send("HTTP/1.1 200 OK\r\n%s\r\nContent-Length: 0\r\n\r\n" % (where % evil))
    gate = proxy("server { listen {port}; location / { proxy_pass http://%s; } }" % scripted_upstream(script).address)
    with gate.plain() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        client.rest()
    check_error_log(gate)


def test_the_names_in_a_certificate_stay_inside_the_line(proxy, certs, upstream, tmp_path):
    """Of a client whom nobody knows: its names are logged when it is refused."""
    name = '/CN=evil", client: "6.6.6.6\x1b[2J\u202e\n2026-01-01 [error] forged'
    key, cert = tmp_path / "k", tmp_path / "c"
    subprocess.run(["openssl", "req", "-x509", "-utf8", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", key, "-out", cert, "-days", "2", "-subj", name], check=True, capture_output=True)
    gate = proxy(ARTICLE.replace("web_server:port", upstream.address))
    assert gate.curl("--cert", str(cert), "--key", str(key), cert=None).status == 403
    gate.logged("client certificate refused")
    check_error_log(gate)


@pytest.fixture(scope="module")
def shared(binary, certs, tmp_path_factory):
    import harness
    gate = harness.Proxy(binary, certs, tmp_path_factory.mktemp("forging"), PLAIN)
    yield gate
    gate.close()
