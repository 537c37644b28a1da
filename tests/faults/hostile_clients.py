"""Clients that mean no good. Each function is a case; its line of the table stands above it."""

import collections
import os
import pathlib
import select
import socket
import ssl
import subprocess
import tempfile
import time

import records
from attack import PAGE, Target, case, ending, flood, read_all, refused, reset, trickle, verdict

CLIENT_CASES = []
TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def asking(target, count, octets, connect=Target.tls):
    """So many clients at a time that say this in a session, and see what comes of it."""
    def one(t):
        with connect(t) as sock:
            return refused(sock, octets)
    return target.swarm(count, one)


def with_context(context):
    return lambda t: context.wrap_socket(t.tcp(), server_hostname="localhost")


# ---------------------------------------------------------------- handshakes

@case(CLIENT_CASES, "a ClientHello, an octet each half second", "closed|reset|alert")
def slow_handshake(target: Target):
    def one(t):
        with t.tcp() as sock:
            trickle(sock, t.hello(), 0.5)
            return verdict(sock)
    return target.swarm(100, one)


def in_small_records(hello):
    header, fragment = hello[:3], hello[5:]
    return b"".join(header + b"\x00\x01" + fragment[i:i + 1] for i in range(len(fragment)))


@case(CLIENT_CASES, "a ClientHello of 16 KB in records of one octet", "closed|reset|alert|ServerHello")
def hello_in_records_of_one_octet(target: Target):
    hello = target.hello()

    def padded():
        """With a padding extension that makes it 16 KB (RFC 7685)."""
        body = bytearray(hello[9:])
        at = 34 + 1 + body[34]
        at += 2 + int.from_bytes(body[at:at + 2], "big")
        at += 1 + body[at]
        extensions = bytes(body[at + 2:]) + b"\x00\x15" + (15000).to_bytes(2, "big") + bytes(15000)
        body = bytes(body[:at]) + len(extensions).to_bytes(2, "big") + extensions
        return hello[:5] + b"\x01" + len(body).to_bytes(3, "big") + body

    records = in_small_records(padded())

    def one(t):
        with t.tcp() as sock:
            sock.sendall(records)
            answer = sock.recv(5)
            return "ServerHello" if answer[:1] == b"\x16" else "alert" if answer[:1] == b"\x15" else "closed"
    return target.swarm(8, one)


@case(CLIENT_CASES, "handshakes begun and left: with an end, with a reset", "left", memory_mb=16)
def handshakes_left(target: Target):
    hello = target.hello()

    def one(t):
        sock = t.tcp()
        sock.sendall(hello)
        if time.monotonic_ns() & 1024:
            reset(sock)
        else:
            sock.close()
        return "left"
    return target.swarm(4, one)


@case(CLIENT_CASES, "two thousand handshakes begun, then silence", "closed|reset|alert", memory_mb=160)
def handshakes_kept_waiting(target: Target):
    hello = target.hello()
    saw = collections.Counter()
    socks = []
    for _ in range(2000):
        socks.append(target.tcp())
        socks[-1].sendall(hello)
    for sock in socks:
        try:
            read_all(sock)
            saw["closed"] += 1
        except OSError as problem:
            saw[ending(problem)] += 1
        sock.close()
    return saw


def half_handshake(target, context):
    """A connection, and what ends its handshake and asks for something."""
    sock, incoming, outgoing = target.tcp(), ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    while True:
        try:
            tls.do_handshake()
            tls.write(target.head() + b"\r\n")
            return sock, outgoing.read()
        except ssl.SSLWantReadError:
            sock.sendall(outgoing.read())
            incoming.write(sock.recv(65536))


@case(CLIENT_CASES, "a thousand handshakes begun, and ended all at once", "answered|closed|reset", memory_mb=24)
def handshakes_ended_at_once(target: Target):
    context, saw = target.context(cert=None), collections.Counter()
    halves = [half_handshake(target, context) for _ in range(1000)]
    for sock, rest in halves:
        sock.sendall(rest)
    for sock, _ in halves:
        saw["answered" if sock.recv(65536) else "closed"] += 1
        sock.close()
    return saw


RECORDS = {
    "empty handshake records": b"\x16\x03\x03\x00\x00",
    "empty application data": b"\x17\x03\x03\x00\x00",
    "warning alerts": b"\x15\x03\x03\x00\x02\x01\x5a",
    "changes of cipher": b"\x14\x03\x03\x00\x01\x01",
}


def record_flood(target, records, first=b""):
    def one(t):
        with t.tcp() as sock:
            try:
                sock.sendall(first)
                if first:
                    sock.recv(65536)
                flood_despite_answers(t, sock, records * 1000)
            except OSError as problem:
                return ending(problem)
            sock.shutdown(socket.SHUT_WR)
            return "closed" if read_all(sock) is not None else ""
    return target.swarm(4, one)


def flood_despite_answers(target, sock, octets, most=16 << 20):
    sent = 0
    while sent < most and target.goes_on():
        sock.sendall(octets)
        sent += len(octets)


def add_record_floods():
    for what, record in RECORDS.items():
        for when in ("before a ClientHello", "after it"):
            def attack(target, record=record, when=when):
                return record_flood(target, record, target.hello() if when == "after it" else b"")
            attack.__name__ = f"{what} {when}".replace(" ", "_")
            case(CLIENT_CASES, f"{what} by the thousand, {when}", "closed|reset|alert")(attack)


add_record_floods()


@case(CLIENT_CASES, "16 MB of random octets instead of TLS", "closed|reset|alert|400")
def noise(target: Target):
    def one(t):
        with t.tcp() as sock:
            try:
                flood(t, sock, os.urandom(65536), 16 << 20)
            except OSError:
                pass
            return verdict(sock)
    return target.swarm(4, one)


@case(CLIENT_CASES, "clients without a certificate ask as fast as they can", "403|400")
def without_certificate(target: Target):
    return asking(target, 4, target.head() + b"\r\n", lambda t: t.tls(cert=None))


def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def chain_file(certs, name, count, *options, curve="P-256"):
    """A client's certificate of a false CA, and so many CAs of the true one's name, each with a key of its own."""
    path = certs / f"{name}.pem"
    if not path.exists():
        texts = [(certs / "rogues/false-ca.crt").read_text()]
        for _ in range(count):
            openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", f"ec_paramgen_curve:{curve}", "-nodes", "-subj", "/CN=my-ca",
                    "-days", 2, "-keyout", certs / f"{name}.key", "-out", certs / f"{name}.crt", *options)
            texts.append((certs / f"{name}.crt").read_text())
        path.write_text("".join(texts))
    return path


def shown_chain(target, path, key=None):
    context = target.context(cert=None)
    context.load_cert_chain(path, key or target.certs / "rogues/false-ca.key")

    return asking(target, 4, target.head() + b"\r\n", with_context(context))


@case(CLIENT_CASES, "a chain of 30 CAs that are called as the true one is", "403|400|alert|closed")
def chain_of_look_alikes(target: Target):
    return shown_chain(target, chain_file(target.certs, "look-alikes", 30))


@case(CLIENT_CASES, "the same, of 64 CAs: more than 16 KB", "403|400|alert|closed|reset")
def chain_of_64_look_alikes(target: Target):
    return shown_chain(target, chain_file(target.certs, "look-alikes-64", 64))


@case(CLIENT_CASES, "a chain of 64 KB, of certificates of 16 KB", "403|400|alert|closed|reset")
def chain_of_64_kb(target: Target):
    return shown_chain(target, chain_file(target.certs, "large", 4, "-addext", "1.2.3.4=DER:04:82:3e:80" + ":41" * 16000))


@case(CLIENT_CASES, "a chain whose CA has 1000 name constraints", "403|400|alert|closed|reset")
def chain_of_name_constraints(target: Target):
    names = ",".join(f"permitted;DNS:a{i}.test,excluded;DNS:b{i}.test" for i in range(500))
    return shown_chain(target, chain_file(target.certs, "constrained", 1, "-addext", f"nameConstraints=critical,{names}"))


@case(CLIENT_CASES, "a chain of 30 CAs that are called as the true one is, with keys of P-384", "403|400|alert|closed")
def chain_of_large_look_alikes(target: Target):
    return shown_chain(target, chain_file(target.certs, "large-look-alikes", 30, curve="P-384"))


def long_exponents(certs, name, count):
    """So many CAs of the true one's name, in one file with a client of the last; their public exponents have 3072 bits."""
    import rsa_keys
    path, key, ca, client = (certs / f"{name}{end}" for end in (".pem", ".key", ".crt", "-client.crt"))
    if not path.exists():
        texts = []
        for text in rsa_keys.keys_with_long_exponents(count):
            key.write_text(text)
            openssl("req", "-x509", "-new", "-key", key, "-subj", "/CN=my-ca", "-days", 2, "-out", ca)
            texts.append(ca.read_text())
        openssl("req", "-new", "-key", certs / "rogues/false-ca.key", "-subj", "/CN=client", "-out", path.with_suffix(".csr"))
        openssl("x509", "-req", "-in", path.with_suffix(".csr"), "-CA", ca, "-CAkey", key, "-CAcreateserial", "-days", 2,
                "-out", client)
        path.write_text("".join([client.read_text(), *texts]))
    return path


@case(CLIENT_CASES, "a chain of CAs with public exponents of 3072 bits (RSA)", "403|400|alert|closed")
def chain_of_long_exponents(target: Target):
    return shown_chain(target, long_exponents(target.certs, "long-exponents", 12))


@case(CLIENT_CASES, "certificates with public exponents of 3072 bits (RSA)", "403|400|alert|closed|reset")
def long_exponent(target: Target):
    path = long_exponents(target.certs, "long-exponent", 1)
    return shown_chain(target, path.with_suffix(".crt"), path.with_suffix(".key"))


@case(CLIENT_CASES, "certificates with keys of 16384 bits (RSA)", "403|400|alert|closed|reset")
def large_keys(target: Target):
    import rsa_keys
    path = target.certs / "large-key"
    if not path.with_suffix(".crt").exists():
        path.with_suffix(".key").write_text(rsa_keys.large_key())
        openssl("req", "-x509", "-new", "-key", path.with_suffix(".key"), "-subj", "/CN=client", "-days", 2, "-out",
                path.with_suffix(".crt"))
    return shown_chain(target, path.with_suffix(".crt"), path.with_suffix(".key"))


@case(CLIENT_CASES, "a thousand connections that say nothing", "closed|reset", memory_mb=16)
def silence(target: Target):
    socks, saw = [target.tcp() for _ in range(1000)], collections.Counter()
    for sock in socks:
        saw[verdict(sock)] += 1
        sock.close()
    return saw


IN_SESSION = {"empty application data": (records.DATA, b""), "warning alerts": (records.ALERT, b"\x01\x5a")}


def flood_session(target, version, kind, content):
    def one(t):
        with tempfile.TemporaryDirectory() as folder:
            sock, writer = records.established(t, version, pathlib.Path(folder) / "log")
        with sock:
            try:
                while t.goes_on():
                    sock.sendall(b"".join(writer.record(kind, content) for _ in range(100)))
            except OSError as problem:
                return ending(problem)
            return "time was up"
    return target.swarm(4, one)


def add_session_floods():
    for what, (kind, content) in IN_SESSION.items():
        for version, words in ((TLS12, "TLS 1.2"), (TLS13, "TLS 1.3")):
            def attack(target, version=version, kind=kind, content=content):
                return flood_session(target, version, kind, content)
            attack.__name__ = f"{what} in a session {words}".replace(" ", "_")
            case(CLIENT_CASES, f"{what} in an open session, as far as they are taken ({words})", "closed|reset|alert|time was up")(attack)


add_session_floods()


# ---------------------------------------------------------------- more than there is to have

@case(CLIENT_CASES, "requests that wait for their answer, against limit_conn by address", "503|504|closed", memory_mb=16)
def against_limit_conn(target: Target):
    return asking(target, 50, b"GET /by_address/never_answers/ HTTP/1.1\r\nHost: localhost\r\n\r\n")


@case(CLIENT_CASES, "requests as fast as can be, against limit_req by certificate", "200|503", memory_mb=16)
def against_limit_req(target: Target):
    return asking(target, 8, b"GET /by_certificate/10 HTTP/1.1\r\nHost: localhost\r\n\r\n")


# ---------------------------------------------------------------- heads

@case(CLIENT_CASES, "a head, an octet each quarter of a second", "closed|reset|408", memory_mb=16)
def slow_head(target: Target):
    def one(t):
        with t.tls() as sock:
            trickle(sock, t.head() * 10, 0.25)
            return verdict(sock)
    return target.swarm(50, one)


ENDLESS = {
    "endless request line": lambda t: (b"GET /", b"a" * 16384),
    "endless header line": lambda t: (t.head() + b"X: ", b"a" * 16384),
    "endless header lines": lambda t: (t.head(), b"X-%d: y\r\n" % id(t) * 1000),
    "endless short header lines": lambda t: (t.head(), b"a:\r\n" * 4000),
    "endless empty lines": lambda t: (b"\r\n" * 10, b"\r\n" * 8000),
    "endless chunk extension": lambda t: (t.head(method="POST", more="Transfer-Encoding: chunked\r\n\r\n") + b"1;", b"a" * 16384),
    "endless chunk extensions": lambda t: (t.head(method="POST", more="Transfer-Encoding: chunked\r\n\r\n"), (b"1;" + b"e" * 2000 + b"\r\nx\r\n") * 8),
    "endless chunk size": lambda t: (t.head(method="POST", more="Transfer-Encoding: chunked\r\n\r\n"), b"0" * 16384),
    "endless trailers": lambda t: (t.head(method="POST", more="Transfer-Encoding: chunked\r\n\r\n") + b"0\r\n", b"T: x\r\n" * 1000),
    "endless small chunks": lambda t: (t.head(method="POST", more="Transfer-Encoding: chunked\r\n\r\n"), b"1\r\nx\r\n" * 4000),
}


def endless(target, make):
    def one(t):
        first, rest = make(t)
        with t.tls() as sock:
            try:
                sock.sendall(first)
                flood(t, sock, rest)
            except OSError:
                pass
            return verdict(sock)
    return target.swarm(4, one)


def add_endless():
    for what, make in ENDLESS.items():
        def attack(target, make=make):
            return endless(target, make)
        attack.__name__ = what.replace(" ", "_")
        # "408", "closed": the attack was over first.
        case(CLIENT_CASES, f"{what}, as far as it is taken", "400|413|414|431|408|closed|reset", memory_mb=16)(attack)


add_endless()


@case(CLIENT_CASES, "ten thousand requests at once, no answer read", "flooded|reset|closed", memory_mb=24)
def pipelining(target: Target):
    many = b"GET /crowd/1000 HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1000

    def one(t):
        with t.tls() as sock:
            sock.settimeout(2)
            try:
                for _ in range(10):
                    sock.sendall(many)
            except TimeoutError:
                pass
            return "flooded"
    return target.swarm(8, one)


# ---------------------------------------------------------------- bodies

@case(CLIENT_CASES, "a body whose octets come each half second, gathered before it is passed on", "gave up|408|closed|reset")
def slow_body(target: Target):
    def one(t):
        with t.tls() as sock:
            sock.sendall(t.head(method="POST", more="Content-Length: 100000\r\n\r\n"))
            while t.goes_on() and not select.select([sock], [], [], 0.5)[0]:
                sock.sendall(b"x")
            return "gave up" if not t.goes_on() else verdict(sock)
    return target.swarm(50, one)


@case(CLIENT_CASES, "a body that stops half-way", "closed|reset|408", memory_mb=16)
def half_a_body(target: Target):
    return asking(target, 50, target.head(method="POST", more="Content-Length: 100000\r\n\r\n") + b"x" * 50000)


@case(CLIENT_CASES, "bodies announced larger than allowed, and sent", "413|reset", memory_mb=16)
def too_large_a_body(target: Target):
    return asking(target, 4, target.head(method="POST", more=f"Content-Length: {1 << 30}\r\n\r\n") + b"x" * 1000000)


# ---------------------------------------------------------------- answers

@case(CLIENT_CASES, "an answer of 10 MB of which nothing is read", "closed|reset|alert", memory_mb=64)
def readers_of_nothing(target: Target):
    def one(t):
        with t.tls(room=65536) as sock:
            sock.sendall(b"GET /crowd/%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % PAGE)
            time.sleep(5)
            try:
                got = len(read_all(sock))
            except OSError as problem:
                return ending(problem)
            return "all" if got >= PAGE else "closed"
    return target.swarm(30, one)


@case(CLIENT_CASES, "an answer of 10 MB, 16 KB of it read each 50 ms", "gave up|closed|reset", memory_mb=64)
def slow_readers(target: Target):
    def one(t):
        with t.tls() as sock:
            sock.sendall(b"GET /crowd/%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % PAGE)
            while t.goes_on() and sock.recv(16384):
                time.sleep(0.05)
            return "gave up" if not t.goes_on() else "closed"
    return target.swarm(100, one)


# ---------------------------------------------------------------- ends in each state

def state_connected(t):
    return t.tcp()


def state_half_hello(t):
    sock = t.tcp()
    sock.sendall(t.hello()[:100])
    return sock


def state_hello(t):
    sock = t.tcp()
    sock.sendall(t.hello())
    sock.recv(100)
    return sock


def state_established(t):
    return t.tls()


def state_half_head(t):
    sock = t.tls()
    sock.sendall(t.head())
    return sock


def state_half_body(t):
    sock = t.tls()
    sock.sendall(t.head(method="POST", more="Content-Length: 1000000\r\n\r\n") + b"x" * 100000)
    return sock


def state_answer(t):
    sock = t.tls()
    sock.sendall(b"GET /crowd/%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % PAGE)
    sock.recv(1000)
    return sock


def state_kept(t):
    sock = t.tls()
    sock.sendall(b"GET /crowd/10 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    sock.recv(1000)
    return sock


STATES = [state_connected, state_half_hello, state_hello, state_established, state_half_head, state_half_body,
          state_answer, state_kept]


@case(CLIENT_CASES, "the client's end in each state, and it waits", "closed|reset|alert|400|408|all", memory_mb=24)
def half_close(target: Target):
    def one(t):
        for state in STATES:
            sock = state(t)
            socket.socket.shutdown(sock, socket.SHUT_WR)
            raw = socket.socket(fileno=sock.detach())
            raw.settimeout(6)
            with raw:
                read_all(raw)
        return "closed"
    return target.swarm(8, one)


@case(CLIENT_CASES, "a reset in each state", "reset sent", memory_mb=24)
def resets(target: Target):
    def one(t):
        for state in STATES:
            reset(state(t))
        return "reset sent"
    return target.swarm(8, one)


@case(CLIENT_CASES, "a reset behind 200 KB that were not read", "reset sent", memory_mb=32, may_forward=1000000)
def resets_behind_input(target: Target):
    def one(t):
        sock = t.tls()
        # Answered late: what follows stays unread.
        sock.sendall(t.head("never") + b"\r\n")
        sock.settimeout(0.2)
        try:
            for _ in range(10):
                sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 500)
        except TimeoutError:
            pass
        reset(sock)
        return "reset sent"
    return target.swarm(8, one)


@case(CLIENT_CASES, "renegotiation is asked for (TLS 1.2)", "refused", memory_mb=16)
def renegotiation(target: Target):
    import libssl

    def one(t):
        with t.tcp() as sock:
            client = libssl.Client(sock, t.certs, 0x0303)
            return "renegotiated" if client.renegotiate() else "refused"
    return target.swarm(4, one)


@case(CLIENT_CASES, "KeyUpdate by the thousand (TLS 1.3)", "closed|reset|alert|refused", memory_mb=16)
def key_updates(target: Target):
    import libssl

    def one(t):
        with t.tcp() as sock:
            client = libssl.Client(sock, t.certs, 0x0304)
            while t.goes_on():
                if not client.update_key():
                    return "refused"
            return "closed"
    return target.swarm(4, one)
