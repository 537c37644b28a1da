"""The proxies under attack, and what is measured of them while they are."""

import contextlib
import json
import math
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from harness import Headers, ScriptedUpstream, free_port, wait_until  # noqa: E402,F401

# The gate has a CPU to itself; attackers, honest clients and upstreams share the other. The gate and the honest go before
# whatever else runs, so that the honest wait for the gate alone. On one CPU, or where nobody may go first, figures say less.
GATE_CPU, OTHERS_CPU = min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0))

# Both read it. Waits are short, so that each limit is met within a case.
CONF = """
daemon off; pid {folder}/pid; worker_processes {workers}; {main}
events { worker_connections 8192; }
http {
    access_log off;
    client_header_timeout 2s; client_body_timeout 2s; send_timeout 2s; keepalive_timeout 20s;
    lingering_timeout 1s; lingering_time 2s; client_max_body_size 32m;
    proxy_http_version 1.1; proxy_set_header Connection ""; proxy_read_timeout 1s; proxy_next_upstream off;
    limit_conn_zone $binary_remote_addr zone=addresses:1m;
    limit_req_zone ${fingerprint} zone=certificates:1m rate=20r/s;
    upstream honest { server 127.0.0.1:{honest}; keepalive 32; }
    upstream crowd { server 127.0.0.1:{crowd}; keepalive 32; }
    upstream watched { server 127.0.0.1:{watched} max_fails=0; keepalive 8; }
    upstream alone { server 127.0.0.1:{watched} max_fails=0; keepalive 1; }
    server {
        listen 127.0.0.1:{port} ssl backlog=4096;
        ssl_protocols TLSv1.2 TLSv1.3;
        server_name localhost;
        ssl_certificate {certs}/server.crt; ssl_certificate_key {certs}/server.key;
        ssl_client_certificate {certs}/ca.crt; ssl_verify_client on; ssl_verify_depth 5;
        {more}
        location / { proxy_pass http://honest; }
        location /crowd/ { proxy_pass http://crowd/; }
        location /by_address/ { limit_conn addresses 10; proxy_pass http://watched; }
        location /by_certificate/ { limit_req zone=certificates burst=5 nodelay; proxy_pass http://crowd/; }
        location /watched/ { proxy_pass http://watched; }
        location /alone/ { proxy_pass http://alone; }
        location /unspooled/ { proxy_request_buffering off; proxy_pass http://watched; }
    }
}
"""
TEMPORARY = " ".join(f"{kind}_temp_path {{folder}}/{kind};" for kind in
                     ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))


def go_first(cpu):
    """What a new process does before its program. Whom nobody lets go first goes with the others."""
    def run():
        os.sched_setaffinity(0, {cpu})
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    return run


class Gate:
    """One proxy with CONF, and the upstreams behind it: ports by name."""

    def __init__(self, name, program, folder, certs, upstreams, main="", workers=1, first=None,
                 environment=None):
        self.name, self.folder, self.certs, self.port = name, folder, certs, free_port()
        folder.mkdir(parents=True)
        folder.chmod(0o755)
        is_nginx = name == "nginx"
        text = CONF.replace("access_log off;", "access_log off; " + TEMPORARY) if is_nginx else CONF
        # Of all attacks at once, which come from one address, some wait for their turn for longer than 2 s.
        more = "" if is_nginx else "ssl_handshake_timeout 5s;"
        for key, value in {"workers": workers, "port": self.port, "more": more, "main": main, "certs": certs, "folder": folder,
                           "fingerprint": "ssl_client_fingerprint" + ("" if is_nginx else "_sha256"), **upstreams}.items():
            text = text.replace("{%s}" % key, str(value))
        (folder / "conf").write_text(text)
        # The log's level is the one that operators have.
        self.log_path = folder / "error.log"
        command = [program, "-c", folder / "conf", "-p", folder, "-e", self.log_path,
                   "-g", f"error_log {self.log_path} error;"]
        with open(folder / "output", "wb") as output:
            self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=output,
                                            stderr=subprocess.STDOUT, env=environment,
                                            preexec_fn=first)
        wait_until(lambda: (folder / "pid").exists() or self.process.poll() is not None, name)
        assert self.process.poll() is None, (folder / "output").read_text()
        wait_until(self.workers, "workers")

    def workers(self):
        """Process ids of those that have no child, the workers."""
        children = {}
        for number in filter(str.isdigit, os.listdir("/proc")):
            try:
                pid, rest = pathlib.Path(f"/proc/{number}/stat").read_text().split(" (", 1)
            except OSError:
                continue
            children.setdefault(int(rest.rsplit(") ", 1)[1].split()[1]), []).append(int(pid))
        found = list(children.get(self.process.pid, []))
        for pid in found:
            found += children.get(pid, [])
        return [pid for pid in found if pid not in children]

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


def resident_kb(pid):
    try:
        return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4
    except (OSError, IndexError):
        return 0


def descriptors(pid):
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


class Meter:
    """Memory and descriptors of a gate's workers: before, at most, and when it is quiet again."""

    def __init__(self, gate):
        self.pids = gate.workers()
        self.gate = gate
        self.before_kb, self.before_fds = self.now()
        self.peak_kb = self.before_kb
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def now(self):
        return sum(map(resident_kb, self.pids)), sum(map(descriptors, self.pids))

    def run(self):
        while not self.stopped.wait(0.02):
            self.peak_kb = max(self.peak_kb, sum(map(resident_kb, self.pids)))

    def stop(self, patience=8, spare=40):
        """What was wrong: workers that died, descriptors that stay. Spare: idle connections to upstreams."""
        self.stopped.set()
        self.thread.join()
        wrong = [] if self.gate.workers() == self.pids else ["a worker died"]
        end = time.monotonic() + patience
        while self.now()[1] > self.before_fds + spare and time.monotonic() < end:
            time.sleep(0.05)
        if self.now()[1] > self.before_fds + spare:
            wrong.append(f"{self.now()[1] - self.before_fds} descriptors stay open")
        return wrong

    def grown_mb(self):
        return (self.peak_kb - self.before_kb) / 1024


class Honest:
    """tests/bench/load beside an attack: paced requests, each on a connection of its own, or all on kept ones."""

    def __init__(self, program, gate, seconds, rate, *options):
        self.process = subprocess.Popen([program, "-c", "16", "-t", str(seconds), "-R", str(rate), *options,
                                         str(gate.port), gate.certs], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, preexec_fn=go_first(OTHERS_CPU))
        self.process.stdout.readline()  # "begin", or nothing: result() tells

    def begin(self):
        self.say()

    def say(self):
        with contextlib.suppress(BrokenPipeError):
            os.write(self.process.stdin.fileno(), b"\n")

    def result(self):
        """What it saw; `wrong` says why it ended early, or of failed requests which came first."""
        line = self.process.stdout.readline()
        self.say()
        _, words = self.process.communicate(timeout=10)
        found = json.loads(line) if line else {"operations": 0, "errors": 0}
        if not found["operations"]:
            found["p99_ms"] = math.inf
        wrong = [f"{found['errors']} requests failed"] if found["errors"] else [] if line else ["ended early"]
        return {**found, "wrong": "; ".join(wrong + words.splitlines()) if wrong else ""}
