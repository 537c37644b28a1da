"""Processes, clients and upstreams that the end-to-end tests are made of."""
import atexit
import contextlib
import json
import os
import pathlib
import resource
import signal
import socket
import ssl
import shutil
import subprocess
import tempfile
import threading
import time

# Memory, time and processor are not the program's own. tests/support/valgrind also says how much slower everything is.
INSTRUMENTED = "asan" in os.environ.get("PORTCULLIS_BIN", "") or "PORTCULLIS_VALGRIND" in os.environ
SLOWER = int(os.environ.get("PORTCULLIS_SLOWER", "1"))
WAIT = (20 if "asan" in os.environ.get("PORTCULLIS_BIN", "") else 10) * SLOWER
# Larger bodies than the usual ones take their time (test_streaming.py).
WAIT += int(os.environ.get("PORTCULLIS_BODY_MB", "0")) // 10

# The article's block; only paths, host and port differ.
ARTICLE = """
server {
    listen {port} ssl;
    ssl_certificate        {certs}/server.crt;
    ssl_certificate_key    {certs}/server.key;
    ssl_client_certificate {certs}/ca.crt;
    ssl_verify_client on;
    location / {
        if ($ssl_client_verify != SUCCESS) { return 403; }
        proxy_pass http://web_server:port;
    }
}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(condition, what, seconds=WAIT):
    """Polls: for states that no event tells of."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.01)
    return value


class Proxy:
    """The program with one configuration.

    In the text {certs}, {folder} and {port}, {port2} … {port5} are replaced. `listen {port}` becomes
    127.0.0.1:PORT. `main` holds directives of the main context; a bare server block gets them by -g.
    """

    def __init__(self, binary, certs, folder, text, main="", wait=True, env=None, level="info",
                 workers=1, prepare=None, core=None):
        self.certs, self.folder = certs, pathlib.Path(folder)
        self.ports = [free_port() for _ in range(5)]
        self.port = self.ports[0]
        self.log_path = self.folder / "error.log"
        self.pid_path = self.folder / "portcullis.pid"
        self.config_path = self.folder / "portcullis.conf"
        self.binary = str(binary)
        self.main = (f"daemon off; pid {self.pid_path}; error_log {self.log_path} {level}; "
                     f"worker_processes {workers}; {main}")
        if prepare:
            prepare(self.folder)
        self.write(text)
        self.env = dict(os.environ, **(env or {}))
        # Workers run as nobody, who can write neither to the test's folder nor reach it.
        self.report_folder = pathlib.Path(tempfile.mkdtemp(prefix="portcullis-reports-", dir="/tmp"))
        self.report_folder.chmod(0o1777)
        atexit.register(shutil.rmtree, self.report_folder, ignore_errors=True)
        self.env["ASAN_OPTIONS"] = (f"log_path={self.report_folder}/asan:detect_leaks=1:exitcode=99:"
                                    + self.env.get("ASAN_OPTIONS", ""))
        self.env.setdefault("UBSAN_OPTIONS", f"log_path={self.report_folder}/ubsan:halt_on_error=1:print_stacktrace=1")
        self.output = open(self.folder / "output", "wb")
        self.process = subprocess.Popen(self.command(), stdout=self.output, stderr=self.output,
                                        stdin=subprocess.DEVNULL, env=self.env,
                                        preexec_fn=core and (lambda: resource.setrlimit(
                                            resource.RLIMIT_CORE, (core, core))))
        if wait:
            wait_until(lambda: self.pid_path.exists() or self.process.poll() is not None, "the pid file")
            assert self.process.poll() is None, self.said()

    def command(self, *more):
        return [self.binary, "-c", str(self.config_path), "-p", str(self.folder), "-e", str(self.log_path),
                "-g", self.main, *more]

    def expand(self, text):
        for i, port in reversed(list(enumerate(self.ports))):
            text = text.replace("{port%s}" % (i + 1), f"127.0.0.1:{port}")
        return (text.replace("{port}", f"127.0.0.1:{self.port}").replace("{certs}", str(self.certs))
                .replace("{folder}", str(self.folder)))

    def write(self, text):
        self.config_path.write_text(self.expand(text))

    def reload(self, text=None):
        """HUP, and waits until the new workers serve."""
        if text is not None:
            self.write(text)
        before = self.log().count("start worker process ")
        self.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.log().count("start worker process ") > before, "new workers: " + self.log()[-2000:])

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def said(self):
        self.output.flush()
        return (self.folder / "output").read_text(errors="replace") + self.log()

    def logged(self, text):
        """Waits for a text in the error log and returns its line."""
        return wait_until(lambda: next((l for l in self.log().splitlines() if text in l), None),
                          f"{text!r} in the error log:\n{self.log()[-3000:]}\n")

    def workers(self):
        """Process ids of the workers: descendants that have no child of their own."""
        children = {}
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                pid, rest = stat.read_text().split(" (", 1)
                children.setdefault(int(rest.rsplit(") ", 1)[1].split()[1]), []).append(int(pid))
        leaves, queue = [], list(children.get(self.process.pid, []))
        while queue:
            pid = queue.pop()
            queue += children.get(pid, [])
            if pid not in children:
                leaves.append(pid)
        return leaves

    def reports(self):
        """What the sanitizers wrote."""
        return "".join(p.read_text(errors="replace") for p in
                       [*self.report_folder.glob("asan*"), *self.report_folder.glob("ubsan*")])

    def stop(self, how=signal.SIGQUIT, seconds=WAIT):
        if self.process.poll() is None:
            self.process.send_signal(how)
        code = self.process.wait(seconds)
        assert not self.reports(), self.reports()
        return code

    def close(self):
        try:
            if self.process.poll() is None:
                self.stop(signal.SIGTERM)
        except subprocess.TimeoutExpired:
            for pid in [*self.workers(), self.process.pid]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()
            raise AssertionError("did not end on TERM:\n" + self.said()[-3000:])
        finally:
            said, reports = self.said(), self.reports()
            self.output.close()
            shutil.rmtree(self.report_folder, ignore_errors=True)
        assert not reports, reports
        for line in self.log().splitlines():
            assert "exited on signal" not in line or "exited on signal 9" in line, line
            assert "exited with code 99" not in line, line
        for mark in ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "ERROR: Can't open file", "runtime error: "):
            assert mark not in said, said[-3000:]

    # ---- clients ----

    def curl(self, *args, path="/", cert="client", host="localhost", port=None, scheme="https"):
        """curl against the gate. cert: a name under the certificate folder, a rogue's, or None."""
        command = ["curl", "-sS", "--max-time", str(WAIT), "--cacert", str(self.certs / "ca.crt"),
                   "--resolve", f"*:{port or self.port}:127.0.0.1", "-D", "-"]
        if cert:
            command += ["--cert", str(cert_path(self.certs, cert)), "--key", str(key_path(self.certs, cert))]
        command += [*args, f"{scheme}://{host}:{port or self.port}{path}"]
        done = subprocess.run(command, capture_output=True)
        return CurlAnswer(done)

    def tls(self, cert="client", version=None, server_name="localhost", port=None, ciphers=None, alpn=None, again=None):
        """A raw TLS connection, as a Connection; again: (SSLContext, SSLSession) of an earlier one, to resume."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(self.certs / "ca.crt")
        context.verify_mode = ssl.CERT_NONE if server_name != "localhost" else ssl.CERT_REQUIRED
        if ciphers:
            context.set_ciphers(ciphers)
        if alpn:
            context.set_alpn_protocols(alpn)
        if version:
            context.minimum_version = context.maximum_version = version
        if cert:
            context.load_cert_chain(cert_path(self.certs, cert), key_path(self.certs, cert))
        context, session = again or (context, None)
        raw = socket.create_connection(("127.0.0.1", port or self.port), timeout=WAIT)
        try:
            return Connection(context.wrap_socket(raw, server_hostname=server_name, session=session))
        except Exception:
            raw.close()
            raise

    def plain(self, port=None):
        return Connection(socket.create_connection(("127.0.0.1", port or self.port), timeout=WAIT))


def cert_path(certs, name):
    for path in (certs / "rogues" / f"{name}.chain.crt", certs / "rogues" / f"{name}.crt", certs / f"{name}.crt"):
        if path.exists():
            return path
    raise FileNotFoundError(name)


def key_path(certs, name):
    path = certs / "rogues" / f"{name}.key"
    return path if path.exists() else certs / f"{name}.key"


class CurlAnswer:
    def __init__(self, done):
        self.code = done.returncode
        self.error = done.stderr.decode(errors="replace")
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        while head.startswith((b"HTTP/1.1 1", b"HTTP/1.0 1")):
            head, _, body = body.partition(b"\r\n\r\n")
        self.body = body
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split()[1]) if len(lines[0].split()) > 1 else 0
        self.headers = Headers(lines[1:])

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} curl:{self.code} {self.error} {dict(self.headers)} {self.body[:300]!r}>"


class Headers(dict):
    """Field names in lower case to the values joined by ', '."""

    def __init__(self, lines):
        super().__init__()
        for line in lines:
            name, _, value = line.partition(":")
            name = name.lower()
            self[name] = f"{self[name]}, {value.strip()}" if name in self else value.strip()


class Answer:
    def __init__(self, status, reason, headers, body, complete=True, trailers=None, line=""):
        self.status, self.reason, self.headers, self.body = status, reason, headers, body
        self.complete, self.trailers, self.line = complete, trailers or {}, line

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.line} {dict(self.headers)} {self.body[:300]!r} complete={self.complete}>"


class Connection:
    """Octets of our own making one way, answers read strictly the other."""

    def __init__(self, sock):
        self.sock, self.pending = sock, b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def more(self):
        """False at the end of the stream."""
        try:
            data = self.sock.recv(65536)
        except (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return False
        self.pending += data
        return bool(data)

    def until(self, mark):
        while mark not in self.pending:
            if not self.more():
                raise EOFError(f"connection ended with {self.pending[:200]!r} before {mark!r}")
        got, self.pending = self.pending.split(mark, 1)
        return got

    def exactly(self, size):
        while len(self.pending) < size:
            if not self.more():
                break
        got, self.pending = self.pending[:size], self.pending[size:]
        return got

    def rest(self):
        while self.more():
            pass
        got, self.pending = self.pending, b""
        return got

    def is_closed(self):
        """True when the peer ends the connection without sending more."""
        return not self.pending and not self.more()

    def head(self):
        lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, status, *reason = lines[0].split(" ", 2)
        return lines[0], int(status), "".join(reason), Headers(lines[1:])

    def answer(self, method="GET", informational=False):
        line, status, reason, headers = self.head()
        while 100 <= status < 200 and status != 101 and not informational:
            line, status, reason, headers = self.head()
        trailers, complete = {}, True
        if method == "HEAD" or status in (204, 304) or 100 <= status < 200:
            body = b""
        elif headers.get("transfer-encoding") == "chunked":
            assert "content-length" not in headers
            body = b""
            try:
                while size := int(self.until(b"\r\n"), 16):
                    body += self.exactly(size)
                    assert self.exactly(2) in (b"\r\n", b"")
                fields = []
                while field := self.until(b"\r\n"):
                    fields.append(field.decode("latin-1"))
                trailers = Headers(fields)
            except EOFError:
                complete = False
        elif "content-length" in headers:
            body = self.exactly(int(headers["content-length"]))
            complete = len(body) == int(headers["content-length"])
        else:
            body = self.rest()
        return Answer(status, reason, headers, body, complete, trailers, line)

    def get(self, path="/", host="localhost", headers="", method="GET"):
        self.send(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n")
        return self.answer(method)


class ScriptedUpstream:
    """Gives each connection to script(connection) in a thread of its own; counts them. port: 0 is any that is free."""

    def __init__(self, script, port=0):
        self.script, self.accepted, self.errors = script, 0, []
        self.listener = socket.create_server(("127.0.0.1", port), backlog=512)
        self.port = self.listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.connections = []
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            sock.settimeout(WAIT)
            self.connections.append(sock)
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        connection = Connection(sock)
        try:
            self.script(connection)
        except (EOFError, OSError):
            pass  # the proxy may end a connection at any time
        except Exception as e:
            self.errors.append(e)
        finally:
            sock.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for sock in self.connections:
            sock.close()
        assert not self.errors, self.errors


def small_answers(connection):
    """A script: ok, to each request without a body."""
    while True:
        connection.until(b"\r\n\r\n")
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


class Upstream(ScriptedUpstream):
    """Answers each request with what it saw: {method, target, version, headers: [[name, value]…], body_bytes, body, trailers}."""

    def __init__(self):
        self.requests = []
        super().__init__(self.echo)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def echo(self, connection):
        while True:
            seen = read_request(connection)
            self.requests.append(seen)
            body = json.dumps(seen).encode()
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Upstream: yes\r\n"
                            b"Content-Length: %d\r\n\r\n" % len(body) + (b"" if seen["method"] == "HEAD" else body))


def read_request(connection):
    lines = connection.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
    method, target, version = lines[0].split(" ")
    fields = [[n, v.strip()] for n, _, v in (l.partition(":") for l in lines[1:])]
    low = {n.lower(): v for n, v in fields}
    body, trailers = b"", []
    if low.get("transfer-encoding", "").lower() == "chunked":
        assert "content-length" not in low
        while size := int(connection.until(b"\r\n"), 16):
            body += connection.exactly(size)
            assert connection.exactly(2) == b"\r\n"
        while field := connection.until(b"\r\n"):
            trailers.append(field.decode("latin-1"))
    elif "content-length" in low:
        body = connection.exactly(int(low["content-length"]))
    return {"method": method, "target": target, "version": version, "headers": fields, "body_bytes": len(body),
            "body": body[:1000].decode("latin-1"), "trailers": trailers}


def header_values(seen, name):
    """Values that the upstream saw under this name, in any case."""
    return [v for n, v in seen["headers"] if n.lower() == name.lower()]
