"""One nginx.conf, run by nginx and by us: the same answers but for the wanted differences."""
import shutil
import signal
import subprocess

import pytest

from harness import Connection, Upstream, free_port, header_values, wait_until
import socket

pytestmark = pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed")

CONF = """
worker_processes 1;
events { worker_connections 128; }
http {
    log_format short '$request_method $uri $args $status $body_bytes_sent "$http_user_agent" $host $digit $undone';
    access_log {folder}/access.log short;
    map $http_user_agent $kind { default other; ~*curl tool; "exact one" exact; ~^Moz(?<rest>.*) "moz$rest"; }
    map $host $zone { hostnames; default none; *.sub.test sub; one.test one; tail.* tail; .dot.test dot; }
    geo $net { default far; 127.0.0.0/8 near; }
    upstream app { server {u1}; server {u2} weight=2; keepalive 8; }
    upstream away { server 127.0.0.1:9 max_fails=0; server {u1} backup; }
    server {
        listen {port} default_server;
        server_name one.test *.sub.test tail.* .dot.test;
        add_header X-Kind $kind; add_header X-Zone $zone always;
        error_page 404 /missing.html;
        error_page 418 =200 @tea;
        location / { proxy_set_header Host $host; proxy_set_header X-Net $net; proxy_pass http://app; }
        location /strip/ { proxy_pass http://app/to/; }
        location /away { proxy_pass http://away; }
        location = /exact { return 200 "exact $request_uri $uri $is_args$args $arg_a $cookie_c $http_x_y\\n"; }
        location ^~ /pre { return 200 "pre"; }
        location ~ ^/re/(?<n>\\d+)/(.*)$ { return 200 "re $n $2"; }
        location ~* \\.PNG$ { return 200 "png"; }
        location /pre2 { return 200 "pre2"; location /pre2/nested { return 201 "nested"; } location ~ x$ { return 202 "x"; } }
        location /old { rewrite ^/old/(.*)$ /exact?a=$1 last; return 410; }
        location /older { rewrite ^/older/(.*)$ /exact?a=$1? redirect; }
        location /perm { rewrite ^ https://else.test$uri permanent; }
        location /brk { rewrite ^/brk/(.*)$ /to/$1 break; proxy_pass http://app; }
        location /if { set $a 1; if ($arg_a = yes) { set $a 2; } if ($arg_a ~ "^n(o+)$") { return 200 "no $1"; }
                       if ($request_method = POST) { return 405; } return 200 "a=$a"; }
        location /gone { return 410; }
        location /tea { return 418; }
        location @tea { return 200 "tea $uri"; }
        location /301 { return 301 /there; }
        location /302 { return http://abs.test/x; }
        location /204 { return 204; }
        location = /missing.html { internal; return 404 "gone missing $uri"; }
        location /silent { return 444; }
        location /miss { return 404; }
        location /deny { deny 127.0.0.1; allow all; proxy_pass http://app; }
        location = /undone { set $undone 1; return 200 $undone; }
        location /post { limit_except POST { deny all; } proxy_pass http://app; }
        location /xdeny { satisfy any; deny all; proxy_pass http://app; }
        location /hdr { proxy_hide_header X-Upstream; proxy_set_header X-A "a $remote_addr"; proxy_set_header X-Empty "";
                        add_header X-Own "1"; proxy_pass http://app; }
        location /ver { proxy_http_version 1.0; proxy_pass http://app; }
        location /slash/ { proxy_pass http://app; }
        location /type { default_type text/css; return 200 "body{}"; }
        location /method { proxy_method PUT; proxy_pass http://app; }
        location /var { set $u app; proxy_pass http://$u; }
        location /varu { set $u app; proxy_pass http://$u/fixed?x=$arg_x; }
        location /typed { types { text/x-a A; application/x-b b bb; } default_type text/x-none; return 200 x; }
        location /untyped { types { } default_type ""; return 200 x; }
        location /redir { proxy_pass http://app/to; proxy_redirect default; }
        location /inner { internal; location /inner/open { return 200 "inner"; } location ~ z$ { return 200 "z"; } }
        location /to-inner { rewrite ^ /inner/open last; }
        location = /only/ { proxy_pass http://app; }
        location /named { error_page 418 = @up; return 418; }
        location /named/changed { rewrite ^/named/(.*)$ /$1; error_page 418 = @up; return 418; }
        location @up { proxy_pass http://app; }
        location ~ ^/cap/(.)$ { if ($arg_a ~ "x(.)") { set $x $1; } return 200 "<$1> $x"; }
        location ~ ^/cut/(.)$ { rewrite ^/nowhere/(.*)$ /$1; return 200 "<$1>"; }
    }
    server {
        listen {port};
        server_name two.test ~^re(?<digit>\\d)\\.test$;
        location / { return 200 "two $server_name $digit"; }
    }
    server {
        listen {port};
        location / { return 200 "nameless <$host> <$server_name> $http_authorization"; }
    }
}
"""


class Nginx:
    def __init__(self, folder, text):
        self.folder = folder
        (folder / "nginx.conf").write_text(
            f"daemon off; pid {folder}/pid; error_log {folder}/error.log info;\n" + text.replace("http {", f"""http {{
            client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
            uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;""", 1))
        self.process = subprocess.Popen(["nginx", "-c", folder / "nginx.conf", "-p", folder], stderr=subprocess.PIPE)
        wait_until(lambda: (folder / "pid").exists() or self.process.poll() is not None, "nginx")
        assert self.process.poll() is None, self.process.stderr.read()

    def close(self):
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(10)
        self.process.stderr.close()


@pytest.fixture(scope="module")
def upstreams():
    with Upstream() as a, Upstream() as b:
        yield a, b


@pytest.fixture(scope="module")
def pair(upstreams, binary, certs, tmp_path_factory):
    """Ports of nginx and of us, with the same configuration."""
    from harness import Proxy
    ours_folder, theirs_folder = tmp_path_factory.mktemp("ours"), tmp_path_factory.mktemp("theirs")
    text = CONF.replace("{u1}", upstreams[0].address).replace("{u2}", upstreams[1].address)
    ours = Proxy(binary, certs, ours_folder, text.replace("worker_processes 1;", ""))
    port = free_port()
    theirs = Nginx(theirs_folder, text.replace("{port}", f"127.0.0.1:{port}").replace("{folder}", str(theirs_folder)))
    yield ours, port, theirs_folder
    theirs.close()
    ours.close()


def ask(port, target, host, headers, method, body):
    with Connection(socket.create_connection(("127.0.0.1", port), timeout=10)) as c:
        if body:
            headers += f"Content-Length: {len(body)}\r\n"
        c.send(f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{headers}Connection: close\r\n\r\n{body}")
        return c.answer(method)


def comparable(answer, port):
    """What must agree: not the product's name, the date, the built-in pages' text."""
    headers = {k: v.replace(f":{port}", ":PORT") for k, v in answer.headers.items()
               if k not in ("server", "date", "content-length", "etag", "last-modified", "connection", "transfer-encoding")}
    body = answer.body
    if b"<center>nginx" in body or b"portcullis" in body:
        body = b"(page)"
    if body and headers.get("content-type") == "application/json":
        seen = answer.json()
        # nginx 1.22 speaks HTTP/1.0 to upstreams unless told otherwise, 1.30 speaks 1.1 with keep-alive.
        body = (seen["method"], seen["target"], seen["body"], sorted((n.lower(), v) for n, v in seen["headers"]
                                                                     if n.lower() not in ("connection",)))
    return answer.status, headers, body


CASES = [
    ("/", "one.test", "", "GET", ""), ("/a/b?c=d", "two.test", "", "GET", ""), ("/", "unknown", "", "GET", ""),
    ("/", "x.sub.test", "User-Agent: curl/8\r\n", "GET", ""), ("/", "tail.org", "User-Agent: exact one\r\n", "GET", ""),
    ("/", "dot.test", "User-Agent: Mozilla\r\n", "GET", ""), ("/", "a.dot.test", "", "GET", ""), ("/", "re7.test", "", "GET", ""),
    ("/strip/x/y?z=1", "one.test", "", "GET", ""), ("/strip/%41%20b", "one.test", "", "GET", ""), ("/away", "one.test", "", "GET", ""),
    ("/exact?a=1&b=2", "one.test", "Cookie: c=3; d=4\r\nX-Y: z\r\n", "GET", ""), ("/exact/", "one.test", "", "GET", ""),
    ("/pre/x.png", "one.test", "", "GET", ""), ("/re/12/ab", "one.test", "", "GET", ""), ("/a.png", "one.test", "", "GET", ""),
    ("/pre2/nested", "one.test", "", "GET", ""), ("/pre2/yx", "one.test", "", "GET", ""), ("/pre2/z", "one.test", "", "GET", ""),
    ("/old/thing", "one.test", "", "GET", ""), ("/old/thing?q=1", "one.test", "", "GET", ""), ("/older/q?z=1", "one.test", "", "GET", ""),
    ("/perm/x?y=1", "one.test", "", "GET", ""), ("/brk/x?y=1", "one.test", "", "GET", ""), ("/if?a=yes", "one.test", "", "GET", ""),
    ("/if?a=noo", "one.test", "", "GET", ""), ("/if", "one.test", "", "GET", ""), ("/if", "one.test", "", "POST", "x"),
    ("/gone", "one.test", "", "GET", ""), ("/tea", "one.test", "", "GET", ""), ("/301", "one.test", "", "GET", ""),
    ("/302", "one.test", "", "GET", ""), ("/204", "one.test", "", "GET", ""), ("/missing.html", "one.test", "", "GET", ""),
    ("/miss", "one.test", "", "GET", ""), ("/deny", "one.test", "", "GET", ""), ("/post", "one.test", "", "GET", ""),
    ("/post", "one.test", "", "POST", "body"), ("/xdeny", "one.test", "", "GET", ""), ("/hdr", "one.test", "X-Empty: 1\r\nX-B: 2\r\n", "GET", ""),
    ("/ver", "one.test", "", "GET", ""), ("/slash", "one.test", "", "GET", ""), ("/slash?x=1", "one.test", "", "GET", ""),
    ("/type", "one.test", "", "GET", ""), ("/method", "one.test", "", "POST", "abc"), ("/var/x%20y?z", "one.test", "", "GET", ""),
    ("/varu?x=5", "one.test", "", "GET", ""), ("/a//b/./c/d", "one.test", "", "GET", ""), ("/%2e%2e/x", "one.test", "", "GET", ""),
    ("/strip//x", "one.test", "", "GET", ""), ("/a%2Fb", "one.test", "", "GET", ""), ("/?", "one.test", "", "GET", ""),
    ("/", "one.test", "", "HEAD", ""), ("/gone", "one.test", "", "HEAD", ""), ("/", "one.test", "", "DELETE", ""),
    ("/", "ONE.test.", "", "GET", ""), ("/", "one.test:8080", "", "GET", ""), ("/redir/x", "one.test", "", "GET", ""),
    *((f"/{p}", "one.test", "", "GET", "") for p in (
        "if.html", "if.HTML", "if.gif?x.html", "if.jpg", "if.png/", "if/.html", "if/x.tar.gif", "typed/x.a", "typed.BB", "typed.html", "typed",
        "untyped.html", "untyped", "if.", "if.html/x")),
    *((p, "one.test", "", "GET", "") for p in (
        "/inner", "/inner/open", "/inner/z", "/to-inner", "/only", "/only?a=b", "/only/", "/named/%2F//a%20b/./?x", "/named/changed/%2Fa",
        "/cap/a", "/cap/a?a=xy", "/cut/a", "/strip/a|b?x=%41", "/strip/a|%41?x")),
    ("/", "one.test", "Authorization: Basic YTpi\r\n", "GET", ""),
    ("/", "one.test", "Authorization: Basic YTpi\r\nAuthorization: Basic Yzpk\r\n", "GET", ""),
    ("/", "one.test", "Content-Range: bytes 0-1/2\r\nContent-Range: bytes 1-2/2\r\n", "POST", "ab"),
    ("/", "one.test", "X-Forwarded-For: 1.2.3.4\r\nVia: 1.1 x\r\nTE: trailers\r\nUpgrade: h2c\r\n", "GET", ""),
]


@pytest.mark.parametrize("target, host, headers, method, body", CASES, ids=lambda v: None)
def test_same_answer(pair, target, host, headers, method, body):
    ours, port, _ = pair
    mine = comparable(ask(ours.port, target, host, headers, method, body), ours.port)
    other = comparable(ask(port, target, host, headers, method, body), port)
    assert mine == other


def test_without_a_host(pair):
    """The server without a name answers, though another one is the default; old monitoring speaks HTTP/1.0."""
    bodies = set()
    for port in (pair[0].port, pair[1]):
        with Connection(socket.create_connection(("127.0.0.1", port), timeout=10)) as c:
            c.send("GET / HTTP/1.0\r\n\r\n")
            bodies.add(c.answer().body)
    assert bodies == {b"nameless <> <> "}


def test_silence_lets_earlier_answers_out(pair):
    for port in (pair[0].port, pair[1]):
        with Connection(socket.create_connection(("127.0.0.1", port), timeout=10)) as c:
            c.send("".join(f"GET {path} HTTP/1.1\r\nHost: one.test\r\n\r\n" for path in ("/gone", "/", "/silent", "/gone")))
            assert [c.answer().status, c.answer().status, c.is_closed()] == [410, 200, True]


def test_same_access_log(pair):
    ours, port, theirs_folder = pair
    for p in (ours.port, port):
        ask(p, "/exact?log=\"1", "one.test", "User-Agent: q\"uo\\te\x01\r\n", "GET", "")
    logs = [f / "access.log" for f in (ours.folder, theirs_folder)]
    wait_until(lambda: all("log=" in log.read_text() for log in logs), "the lines")  # nginx writes them a little later
    mine, other = (log.read_text().splitlines()[-1] for log in logs)
    assert mine == other
