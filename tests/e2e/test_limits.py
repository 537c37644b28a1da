"""limit_req and limit_conn, with nginx's meaning: the same configuration gives the same answers."""
import math
import os
import re
import shutil
import signal
import socket
import subprocess
import threading

import pytest

from harness import WAIT, Connection, free_port, wait_until

HTTP = """events {} http { log_format s '$status $limit_req_status $limit_conn_status'; access_log {folder}/access.log s;
    limit_req_zone $arg_k zone=slow:32k rate=1r/m; limit_req_zone $arg_k zone=fast:1m rate=1000r/s;
    limit_req_zone $arg_other zone=other:32k rate=1r/m; limit_conn_zone $arg_k zone=conns:1m;
    server { listen {port}; %s } }"""

LOCATIONS = """
    location /one { limit_req zone=slow; PROXIED }
    location /burst { limit_req zone=slow burst=2 nodelay; PROXIED }
    location /delay { limit_req zone=fast burst=50; PROXIED }
    location /dry { limit_req zone=slow; limit_req_dry_run on; PROXIED }
    location /two { limit_req zone=other; limit_req zone=slow burst=1 nodelay; PROXIED }
    location /status { limit_req zone=slow; limit_req_status 429; error_page 429 = @told; PROXIED }
    location @told { return 429 "told"; }
"""


class Nginx:
    def __init__(self, folder, text):
        self.port, self.folder = free_port(), folder
        (folder / "conf").write_text(f"daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log info;"
                                     + text.replace("{port}", f"127.0.0.1:{self.port}").replace("{folder}", str(folder)))
        self.process = subprocess.Popen(["nginx", "-c", str(folder / "conf"), "-p", str(folder), "-e", str(folder / "error.log")])
        wait_until(lambda: (folder / "pid").exists() and (folder / "pid").read_text(), "nginx")

    def close(self):
        self.process.terminate()
        self.process.wait(WAIT)


def get(port, path):
    with Connection(socket.create_connection(("127.0.0.1", port), timeout=WAIT)) as c:
        return c.get(path).status


@pytest.fixture
def both(proxy, tmp_path, upstream):
    """The same configuration in both, in front of the same application."""
    if not shutil.which("nginx"):
        pytest.skip("nginx is not installed")
    text = HTTP % LOCATIONS.replace("PROXIED", f"proxy_pass http://{upstream.address};")
    (tmp_path / "nginx").mkdir()
    nginx = Nginx(tmp_path / "nginx", text)
    yield proxy(text, workers=2), nginx
    nginx.close()


PATHS = ["/one?k=a", "/one?k=a", "/one?k=b", "/one", "/one", "/burst?k=c", "/burst?k=c", "/burst?k=c", "/burst?k=c",
         "/delay?k=d", "/delay?k=d", "/delay?k=d", "/dry?k=e", "/dry?k=e", "/two?k=f", "/two?k=f", "/two?k=f",
         "/two?k=g&other=1", "/two?k=g&other=1", "/two?k=g&other=2", "/status?k=h", "/status?k=h"]


def test_the_same_as_nginx(both):
    ours, nginx = both
    said = []
    for gate in (ours, nginx):
        statuses = [get(gate.port, path) for path in PATHS]
        if gate is ours:
            gate.process.send_signal(signal.SIGUSR1)
        wait_until(lambda: (gate.folder / "access.log").read_text().count("\n") == len(PATHS), "the access log")
        lines = [line.replace("DELAYED", "PASSED") if "_DRY" not in line else line
                 for line in (gate.folder / "access.log").read_text().splitlines()]
        # nginx counts whole thousandths of a slow rate, we what has passed since
        errors = [re.sub(r"\d+\.\d+", lambda m: str(math.ceil(float(m[0]))), line.split(" limiting ", 1)[1].split(", client:")[0])
                  for line in (gate.folder / "error.log").read_text().splitlines() if " limiting " in line]
        said.append((statuses, lines, errors))
    assert said[0] == said[1]
    assert 503 in said[0][0] and 429 in said[0][0]


def test_a_reload_forgets_no_rate_and_another_rate_begins_anew(proxy, upstream):
    text = HTTP % LOCATIONS.replace("PROXIED", f"proxy_pass http://{upstream.address};")
    gate = proxy(text, workers=2)
    assert [get(gate.port, "/one?k=a") for _ in range(2)] == [200, 503]
    gate.reload()
    assert get(gate.port, "/one?k=a") == 503
    gate.reload(text.replace("rate=1r/m", "rate=2r/m"))
    wait_until(lambda: get(gate.port, "/one?k=a") == 200, "the new rate")


def test_a_zone_full_of_busy_keys_forgets_none_of_them_and_says_so(proxy):
    gate = proxy("events {} http { access_log off; limit_req_zone $arg_k zone=one:32k rate=1r/m; error_log {folder}/error.log error;"
                 " server { listen {port}; keepalive_requests 10000; location / { limit_req zone=one; proxy_pass http://unix:/nobody; } } }")
    with gate.plain() as c:
        statuses = []
        while statuses[-1:] != [503]:
            statuses.append(c.get(f"/?k={len(statuses)}").status)
        assert len(statuses) > 1000, "of 2048 places"
        assert statuses[:-1] == [502] * (len(statuses) - 1)
        assert 'limiting requests by zone "one": it is full, make it larger' in gate.log()
        assert {c.get(f"/?k={i}").status for i in range(0, len(statuses) - 1, 10)} == {503}
    assert gate.log().count(" excess: ") == len(range(0, len(statuses) - 1, 10))


CONNS = """location / { limit_conn conns 2; proxy_pass http://%s; }
    location /dry { limit_conn conns 1; limit_conn_dry_run on; proxy_pass http://%s; }"""


class Held:
    """Requests that the application answers when it is told to."""

    def __init__(self, make):
        self.go = threading.Event()
        self.upstream = make(self.script)

    def script(self, connection):
        while True:
            connection.until(b"\r\n\r\n")
            self.go.wait(WAIT)
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def ask(gate, path):
    c = Connection(socket.create_connection(("127.0.0.1", gate.port), timeout=WAIT))
    c.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return c


def counted(gate, held, count, path):
    """So many requests are at the application."""
    clients = [ask(gate, path) for _ in range(count)]
    wait_until(lambda: len(held.upstream.connections) >= count, "the requests")
    return clients


def test_connections_are_counted_while_their_requests_run(proxy, scripted_upstream):
    held = Held(scripted_upstream)
    gate = proxy(HTTP % (CONNS % (held.upstream.address, held.upstream.address)), workers=2)
    clients = counted(gate, held, 2, "/?k=a")
    assert get(gate.port, "/?k=a") == 503
    assert "limiting connections by zone \"conns\"" in gate.logged("limiting connections")
    other = ask(gate, "/?k=b")
    held.go.set()
    assert [c.answer().status for c in (*clients, other)] == [200, 200, 200]
    # Kept alive, they hold nothing.
    assert get(gate.port, "/?k=a") == 200
    for c in (*clients, other):
        c.close()


def test_a_client_that_leaves_and_a_worker_that_is_killed_hold_nothing(proxy, scripted_upstream):
    held = Held(scripted_upstream)
    gate = proxy(HTTP % (CONNS % (held.upstream.address, held.upstream.address)))
    for c in counted(gate, held, 2, "/?k=a"):
        c.close()
    held.go.set()
    wait_until(lambda: get(gate.port, "/?k=a") == 200, "room for one more")
    held.go.clear()
    clients = [ask(gate, "/?k=a") for _ in range(2)]
    wait_until(lambda: get(gate.port, "/?k=a") == 503, "the limit")
    (worker,) = gate.workers()
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: worker not in gate.workers() and gate.workers(), "a new worker")
    held.go.set()
    wait_until(lambda: get(gate.port, "/?k=b") == 200, "an answer")
    # What the dead one held ends with its lease: tests/unit/proxy/test_limit_table.c.
    for c in clients:
        c.close()


def test_a_dry_run_only_tells(proxy, scripted_upstream):
    held = Held(scripted_upstream)
    gate = proxy(HTTP % (CONNS % (held.upstream.address, held.upstream.address)))
    clients = counted(gate, held, 2, "/dry?k=a")
    held.go.set()
    assert [c.answer().status for c in clients] == [200, 200]
    assert "limiting connections, dry run by zone" in gate.logged("limiting connections")
    for c in clients:
        c.close()


def test_a_connection_counts_until_its_answer_is_sent(proxy, scripted_upstream):
    """What the system does not take at once waits in the worker's memory: that is what is counted for."""
    size = int(open("/proc/sys/net/core/wmem_default").read()) + 48 * 1024
    sent = threading.Event()

    def script(connection):
        while True:
            body = b"x" * (size if b"/long" in connection.until(b"\r\n\r\n") else 0)
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            if body:
                sent.set()

    application = scripted_upstream(script)
    gate = proxy(HTTP.replace("listen {port};", "listen {port}; listen unix:{folder}/socket;")
                 % f"location / {{ limit_conn conns 1; proxy_pass http://{application.address}; }}")
    raw = socket.socket(socket.AF_UNIX)
    raw.settimeout(WAIT)
    raw.connect(str(gate.folder / "socket"))
    with Connection(raw) as slow:
        slow.send("GET /long?k=a HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert sent.wait(WAIT)
        assert [get(gate.port, path) for path in ("/?k=b", "/?k=b", "/?k=a", "/?k=b", "/?k=a")] == [200, 200, 503, 200, 503]
        assert len(slow.answer().body) == size
        wait_until(lambda: get(gate.port, "/?k=a") == 200, "the end of the request")


@pytest.mark.parametrize("key", ["$binary_remote_addr", "$ssl_client_fingerprint_sha256"])
def test_a_client_is_limited_by_its_address_or_its_certificate(proxy, upstream, key):
    gate = proxy("""events {} http { limit_req_zone %s zone=z:32k rate=1r/m; server { listen {port} ssl;
        ssl_certificate {certs}/server.crt; ssl_certificate_key {certs}/server.key; ssl_client_certificate {certs}/ca.crt;
        ssl_verify_client on; location / { limit_req zone=z; proxy_pass http://%s; } } }""" % (key, upstream.address))
    def status(cert):
        with gate.tls(cert) as c:
            return c.get().status
    assert [status("client"), status("client")] == [200, 503]
    assert status("good") == (503 if "addr" in key else 200)
    assert status("expired") == 403


@pytest.mark.parametrize("text,problem", [
    ("limit_req zone=none;", 'unknown limit_req_zone "none"'),
    ("limit_conn none 1;", 'unknown limit_conn_zone "none"'),
    ("limit_req burst=5;", '"limit_req" must have "zone" parameter'),
    ("limit_req_zone $uri zone=z:1k rate=1r/s;", 'zone "z" is too small'),
    ("limit_req_zone $uri zone=z:1m rate=0r/s;", "rate=NUMBERr/s"),
    ("limit_req_zone $uri zone=z:1m rate=1r/s; limit_req_zone $args zone=z:1m rate=1r/s;", "already bound to key"),
    ("limit_conn_zone $uri zone=z:1m; limit_conn z 0;", "from 1 to 65535"),
    ("limit_conn_zone $uri zone=z:1m; limit_conn z 1; limit_conn z 2;", '"limit_conn" directive is duplicate'),
])
def test_what_cannot_be_is_an_error(proxy, text, problem):
    gate = proxy("events {} http { %s server { listen {port}; location / { return 200; } } }" % text, wait=False)
    assert gate.process.wait(WAIT) == 1 and problem in gate.said(), gate.said()
