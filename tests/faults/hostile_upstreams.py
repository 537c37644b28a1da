"""Upstreams that mean no good, or are broken. A row each: what it says to a request, and what its client may see.

Requests come to Watched, by the path /watched/CASE/, or where PLACES says; how many did is counted for each case."""

import collections
import time

from attack import Case, verdict
from gates import Headers, ScriptedUpstream

OK = b"HTTP/1.1 200 OK\r\n"


def never(connection):
    time.sleep(3)


def twice(connection):
    connection.send(OK + b"Content-Length: 2\r\n\r\nok" + OK + b"Content-Length: 6\r\n\r\nstolen")
    return True


def late_second(connection):
    """The second answer comes while the connection is idle."""
    connection.send(OK + b"Content-Length: 2\r\n\r\nok")
    time.sleep(0.05)
    connection.send(OK + b"Content-Length: 6\r\n\r\nstolen")
    return True


def says(*parts):
    def script(connection):
        for part in parts:
            connection.send(part)
    return script


def endless(first, rest):
    def script(connection):
        connection.send(first)
        for _ in range(4000):
            connection.send(rest)
    return script


def dripping_head(connection):
    for octet in OK + b"X: yyyyy":
        connection.send(bytes([octet]))
        time.sleep(0.05)
    time.sleep(3)


def early(connection):
    """An answer before the body came."""
    connection.send(OK + b"Content-Length: 2\r\nConnection: close\r\n\r\nok")


# name: what it is, what it does, what the client may see, whether the body is passed on as it comes
ROWS = {
    "never_answers": ("never answers", never, "504"),
    "answers_early": ("answers before the request's body came", early, "200"),
    "answers_twice": ("answers twice at once", twice, "ok"),
    "answers_when_not_asked": ("answers again while idle", late_second, "ok"),
    "too_short": ("sends less than it announced, and ends", says(OK + b"Content-Length: 100\r\n\r\nshort"), "cut short"),
    "too_long": ("sends more than it announced", says(OK + b"Content-Length: 2\r\n\r\nokstolen"), "ok"),
    "two_lengths": ("says two lengths", says(OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nokx"), "502"),
    "length_and_chunks": ("says a length and chunks", says(OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"), "502"),
    "bad_length": ("says a negative length", says(OK + b"Content-Length: -1\r\n\r\nok"), "502"),
    "huge_length": ("says a length of 2^64", says(OK + b"Content-Length: 18446744073709551616\r\n\r\nok"), "502"),
    "bad_chunk": ("sends a chunk of no size", says(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n"), "cut short|502"),
    "half_a_chunk": ("ends inside a chunk", says(OK + b"Transfer-Encoding: chunked\r\n\r\n100\r\nok"), "cut short"),
    "endless_head": ("sends a head without end", endless(OK, b"X-More: y\r\n" * 100), "502"),
    "endless_line": ("sends a header line without end", endless(OK + b"X: ", b"y" * 1000), "502"),
    "endless_interim": ("sends 100 Continue without end", endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 50), "502|504|closed"),
    "dripping_head": ("sends a head, an octet each 50 ms", dripping_head, "504"),
    "no_http": ("speaks something else", says(b"220 mail.example ESMTP\r\n"), "502"),
    "nul_in_head": ("has a NUL in its head", says(OK + b"X: a\0b\r\nContent-Length: 2\r\n\r\nok"), "502"),
    "split_head": ("has a bare CR in its head", says(OK + b"X: a\rSet-Cookie: b\r\nContent-Length: 2\r\n\r\nok"), "502"),
    "switches": ("switches protocols, though nobody asked", says(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nstolen"), "502"),
    "hangs_up": ("ends at once", says(), "502"),
}


PLACES = {"answers_early": "unspooled", "answers_when_not_asked": "alone"}


class Watched(ScriptedUpstream):
    """Counts the requests for each case, and does to each what its path says."""

    def __init__(self):
        self.seen = collections.Counter()
        super().__init__(self.run_script)

    def count(self, name):
        return self.seen[name]

    def run_script(self, connection):
        while True:
            line, *_ = connection.until(b"\r\n\r\n").split(b"\r\n")
            name = line.split(b"/")[2].decode()
            self.seen[name] += 1
            script = ROWS[name][1] if name in ROWS else never
            if not script(connection):
                return


def ask(target, name):
    """One request; says what the client saw of the answer: a status, the body of a 200, or that it was cut short."""
    body = name == "answers_early"
    if name == "answers_when_not_asked":
        time.sleep(0.1)
    with target.tls() as sock:
        path = f"/{PLACES.get(name, 'watched')}/{name}/"
        sock.sendall(f"{'POST' if body else 'GET'} {path} HTTP/1.1\r\nHost: localhost\r\n".encode()
                     + (b"Content-Length: 200000\r\n" if body else b"Connection: close\r\n") + b"\r\n" + (b"x" * 1000 if body else b""))
        if body or not ROWS[name][2].startswith(("ok", "cut")):
            return verdict(sock)
        return body_of(sock)


def body_of(sock):
    got = bytearray()
    try:
        while some := sock.recv(65536):
            got += some
    except OSError:
        pass
    head, _, body = bytes(got).partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers, status = Headers(lines[1:]), lines[0].split(" ")[1] if " " in lines[0] else "closed"
    if status != "200":
        return status
    whole = (body.endswith(b"0\r\n\r\n") if "transfer-encoding" in headers
             else len(body) == int(headers.get("content-length", len(body))))
    if b"stolen" in body:
        return "stolen"
    return "ok" if whole else "cut short"


def make(name, about, may_see):
    def attack(target):
        return target.swarm(1 if PLACES.get(name) == "alone" else 4, ask, name)
    return Case(name, f"an upstream that {about}", attack, frozenset(may_see.split("|")), may_forward=1 << 30)


UPSTREAM_CASES = [make(name, about, may_see) for name, (about, _, may_see) in ROWS.items()]
