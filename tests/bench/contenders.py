"""The proxies measured: what each is told, and the processes that it is.

A setup is what all of them are to do; each kind says it in its own language. Portcullis reads nginx's
configuration, so those two get the same one.
"""

import contextlib
import dataclasses
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

KINDS = ("portcullis", "nginx", "haproxy", "caddy")
PATIENCE_S = 60  # for a start or a reload


@dataclasses.dataclass(frozen=True)
class Setup:
    name: str
    says_who: bool = False  # an access log, and five headers about the client's certificate
    workers: int = 1
    servers: int = 0  # more of them, on the same port
    locations: int = 0  # more of them
    ca: str = "ca.crt"
    crl: str = ""
    tells_generation: bool = False  # a plain port says how often the configuration was written
    keys: tuple = ("ecdsa", "rsa")  # a TLS port each
    cpus: tuple = (0,)
    kinds: tuple = KINDS


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a contender finds things."""

    folder: pathlib.Path
    certs: pathlib.Path  # has ecdsa/ and rsa/, made by certs/make
    ports: dict  # by type of key; "plain" tells the generation
    upstream: int

    def file(self, kind, name):
        return self.certs / kind / name


IDENTITY = {"Verify": "verify", "DN": "s_dn", "Issuer-DN": "i_dn", "Serial": "serial", "Fingerprint": "fingerprint"}


def nginx_server(setup, place, key, name="localhost", options=" backlog=4096", more=""):
    crl = f"ssl_crl {place.file(key, setup.crl)};" if setup.crl else ""
    return f"""
    server {{
        listen 127.0.0.1:{place.ports[key]} ssl{options};
        server_name {name};
        ssl_certificate {place.file(key, "server.crt")};
        ssl_certificate_key {place.file(key, "server.key")};
        ssl_client_certificate {place.file(key, setup.ca)};
        {crl}
        location / {{ proxy_pass http://app; }}
        {more}
    }}"""


def generation_server(place, generation):
    return f"""
    server {{
        listen 127.0.0.1:{place.ports["plain"]};
        ssl_verify_client off;
        location / {{ return 200 "generation {generation}"; }}
    }}"""


def nginx_conf(setup, place, generation=0):
    who = "".join(f'    proxy_set_header X-Client-{name} $ssl_client_{var};\n' for name, var in IDENTITY.items())
    log = f"access_log {place.folder}/access.log;\n" + who if setup.says_who else "access_log off;"
    locations = "".join(f"location /a{i}/ {{ proxy_pass http://app; }}\n" for i in range(setup.locations))
    servers = [nginx_server(setup, place, key, more=locations) for key in setup.keys]
    servers += [nginx_server(setup, place, "ecdsa", f"s{i}.example.com", "") for i in range(setup.servers)]
    servers += [generation_server(place, generation)] if setup.tells_generation else []
    return f"""
worker_processes {setup.workers};
daemon off;
pid {place.folder}/pid;
error_log {place.folder}/error.log;
events {{ worker_connections 18000; }}
http {{
    client_body_temp_path {place.folder}/body;
    {log}
    server_names_hash_max_size 8192;
    client_max_body_size 0;
    keepalive_timeout 1h;
    keepalive_time 24h;
    keepalive_requests 1000000000;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_verify_client on;
    ssl_session_tickets on;
    upstream app {{
        server 127.0.0.1:{place.upstream};
        keepalive 64;
        keepalive_requests 1000000000;
    }}
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_request_buffering off;
    proxy_max_temp_file_size 0;
    {"".join(servers)}
}}
"""


def nginx_command(program, place):
    return [program, "-p", place.folder, "-c", place.folder / "conf"]


def haproxy_conf(setup, place):
    fetches = {"verify": "ssl_c_verify", "s_dn": "ssl_c_s_dn", "i_dn": "ssl_c_i_dn", "serial": "ssl_c_serial,hex",
               "fingerprint": "ssl_c_sha1,hex"}
    who = "".join(f'    http-request set-header X-Client-{name} "%[{fetches[var]}]"\n'
                  for name, var in IDENTITY.items())
    log = "    log stdout format raw local0\n    option httplog\n" + who if setup.says_who else ""
    binds = ""
    for key, port in place.ports.items():
        pem = place.folder / f"{key}.pem"
        pem.write_text(place.file(key, "server.crt").read_text() + place.file(key, "server.key").read_text())
        binds += (f"    bind 127.0.0.1:{port} backlog 4096 ssl crt {pem} verify required "
                  f"ca-file {place.file(key, 'ca.crt')} alpn http/1.1\n")
    return f"""
global
    nbthread {setup.workers}
    maxconn 9000
defaults
    mode http
    timeout client 1h
    timeout server 1h
    timeout connect 5s
    http-reuse always
frontend tls
{binds}{log}    default_backend app
backend app
    server app 127.0.0.1:{place.upstream} pool-max-conn 64
"""


def haproxy_command(program, place):
    return [program, "-db", "-f", place.folder / "conf"]


def caddy_conf(setup, place):
    sites = ""
    for key, port in place.ports.items():
        sites += f"""
https://localhost:{port} {{
    bind 127.0.0.1
    tls {place.file(key, "server.crt")} {place.file(key, "server.key")} {{
        client_auth {{
            mode require_and_verify
            trusted_ca_cert_file {place.file(key, "ca.crt")}
        }}
    }}
    reverse_proxy 127.0.0.1:{place.upstream} {{
        transport http {{
            keepalive 1h
            keepalive_idle_conns_per_host 64
        }}
    }}
}}
"""
    return f"""
{{
    admin off
    auto_https off
    log {{
        level ERROR
    }}
    servers {{
        protocols h1
    }}
}}
{sites}"""


def caddy_command(program, place):
    return [program, "run", "--adapter", "caddyfile", "--config", place.folder / "conf"]


CONF = {"portcullis": nginx_conf, "nginx": nginx_conf, "haproxy": haproxy_conf, "caddy": caddy_conf}
COMMAND = {"portcullis": nginx_command, "nginx": nginx_command, "haproxy": haproxy_command, "caddy": caddy_command}
VERSION = {"portcullis": "-v", "nginx": "-v", "haproxy": "-v", "caddy": "version"}
CALLED = {"portcullis": "Portcullis", "nginx": "nginx", "haproxy": "HAProxy", "caddy": "Caddy"}


@dataclasses.dataclass(frozen=True)
class Contender:
    name: str  # its kind, or its kind, "-" and anything
    program: str

    @property
    def kind(self):
        return self.name.split("-")[0]

    def version(self):
        """As it says itself: 1.22.1; empty if it does not."""
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            said = subprocess.run([self.program, VERSION[self.kind]], capture_output=True, text=True, timeout=20)
            if number := re.search(r"\d+(\.\d+)+", said.stdout + said.stderr):
                return number[0]
        return ""

    def called(self):
        """What people call it: nginx 1.22. Ours has no number: it is that of the sources."""
        number = "" if self.kind == "portcullis" else " " + ".".join(self.version().split(".")[:2])
        word = self.name[len(self.kind) + 1:]
        return CALLED[self.kind] + number.rstrip() + (f" ({word})" if word and word != "new" else "")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def children_by_parent():
    children = {}
    for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            pid, rest = entry.read_text().split(" ", 1)
            children.setdefault(int(rest.rsplit(")", 1)[1].split()[1]), []).append(int(pid))
    return children


class Running:
    """A contender's processes, on the CPUs of its setup."""

    def __init__(self, contender, setup, folder, certs, upstream):
        folder.mkdir(parents=True)
        self.contender, self.setup = contender, setup
        ports = [*setup.keys, *(["plain"] if setup.tells_generation else [])]
        self.place = Place(folder, certs, {port: free_port() for port in ports}, upstream)
        self.generation = 0
        (folder / "conf").write_text(CONF[contender.kind](setup, self.place))
        command = [str(word) for word in COMMAND[contender.kind](contender.program, self.place)]
        begun = time.monotonic()
        with open(folder / "output", "wb") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                env={**os.environ, "GOMAXPROCS": str(setup.workers), "HOME": str(folder)},
                preexec_fn=lambda: os.sched_setaffinity(0, setup.cpus))
        try:
            self.wait_until_ready()
        except BaseException:
            self.stop()
            raise
        self.start_seconds = time.monotonic() - begun

    def is_alive(self):
        return self.process.poll() is None

    def failure(self, what):
        said = (self.place.folder / "output").read_text(errors="replace").strip()
        log = self.place.folder / "error.log"
        said += log.read_text(errors="replace").strip() if log.exists() else ""
        end = "" if self.is_alive() else f", it ended with {self.process.returncode}"
        return RuntimeError(f"{what}{end}: {said[-500:]}")

    def wait(self, what, is_so):
        deadline = time.monotonic() + PATIENCE_S
        while not is_so():
            if not self.is_alive() or time.monotonic() > deadline:
                raise self.failure(what)
            time.sleep(0.002)

    def wait_until_ready(self):
        if self.setup.tells_generation:
            self.wait("does not come up", self.serves_generation)
        for port in self.place.ports.values():
            self.wait("does not come up", lambda: is_open(port))

    def serves_generation(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.place.ports["plain"]), 1) as s:
            s.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
            return s.makefile("rb").read().endswith(f"generation {self.generation}".encode())
        return False

    def reload(self):
        """Seconds until what was written anew is served."""
        self.generation += 1
        (self.place.folder / "conf").write_text(CONF[self.contender.kind](self.setup, self.place, self.generation))
        begun = time.monotonic()
        self.process.send_signal(signal.SIGHUP)
        self.wait("does not reload", self.serves_generation)
        return time.monotonic() - begun

    def pids(self):
        """All its processes; what was started later included."""
        children = children_by_parent()
        found = [self.process.pid]
        for pid in found:
            found += children.get(pid, [])
        return found

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def is_open(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0
