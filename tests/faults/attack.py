"""What attacks are made of: connections in any state, swarms of them, and what became of each."""

import collections
import dataclasses
import errno
import select
import socket
import ssl
import struct
import threading
import time
from typing import Callable

PATIENCE = 10  # seconds for an answer, or for the end that a limit of the proxy's must bring
PAGE = 10 << 20
ATTACKER = "127.0.0.66"  # honest clients have another address


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    about: str
    attack: Callable  # of a Target; gives how often it saw what
    may_see: frozenset
    memory_mb: int = 8
    may_forward: int = 0


def case(cases, about, may_see, **bounds):
    """Adds the function below it to a table of cases, under its own name."""
    def add(function):
        cases.append(Case(function.__name__, about, function, frozenset(may_see.split("|")), **bounds))
        return function
    return add


@dataclasses.dataclass
class Target:
    port: int
    certs: object
    case: str
    until: float = 0

    def goes_on(self):
        return time.monotonic() < self.until

    def tcp(self, room=None):
        """room: octets that the kernel takes for us unread; as much as it likes otherwise."""
        sock = socket.socket()
        sock.settimeout(PATIENCE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if room:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        sock.bind((ATTACKER, 0))
        sock.connect(("127.0.0.1", self.port))
        return sock

    def context(self, version=ssl.TLSVersion.TLSv1_3, cert="client"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.minimum_version = context.maximum_version = version
        if cert:
            context.load_cert_chain(self.certs / f"{cert}.crt", self.certs / f"{cert}.key")
        return context

    def tls(self, room=None, **options):
        return self.context(**options).wrap_socket(self.tcp(room), server_hostname="localhost")

    def head(self, path="", method="GET", more=""):
        """Of a request whose forwarding is counted. Not ended: one more line may follow."""
        return f"{method} /watched/{self.case}/{path} HTTP/1.1\r\nHost: localhost\r\n{more}".encode()

    def hello(self):
        """The octets of a ClientHello, record header and all."""
        out = ssl.MemoryBIO()
        session = self.context().wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost")
        try:
            session.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return out.read()

    def swarm(self, count, one, *args):
        """one(target, *args) again and again in so many threads, as long as the attack lasts; counts what it gives."""
        saw, lock = collections.Counter(), threading.Lock()

        def run():
            while True:
                try:
                    what = one(self, *args)
                except (OSError, EOFError) as problem:
                    what = ending(problem)
                with lock:
                    saw[what] += 1
                if not self.goes_on():
                    return

        threads = [threading.Thread(target=run) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return saw


def ending(problem):
    if isinstance(problem, (ConnectionResetError, BrokenPipeError)):
        return "reset"
    if isinstance(problem, TimeoutError):
        return "left open"
    is_gone = isinstance(problem, OSError) and problem.errno == errno.ENOTCONN
    if is_gone or isinstance(problem, (EOFError, ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return "closed"
    if isinstance(problem, ssl.SSLError):
        return "alert"
    raise problem


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def trickle(sock, octets, pause):
    """Octet by octet, until there is an answer or an end to read."""
    for i in range(len(octets)):
        if select.select([sock], [], [], pause)[0]:
            return
        sock.sendall(octets[i:i + 1])


def flood(target, sock, octets, most=64 << 20):
    """As much as is taken, until something comes back or it has been enough."""
    sent = 0
    while sent < most and target.goes_on() and not select.select([sock], [], [], 0)[0]:
        sock.sendall(octets)
        sent += len(octets)


def read_all(sock, most=1 << 26):
    got = bytearray()
    while len(got) < most and (some := sock.recv(65536)):
        got += some
    return bytes(got)


def verdict(sock, patience=PATIENCE):
    """The status of the answer, or how the connection ended without one."""
    sock.settimeout(patience)
    got = b""
    try:
        while b"\r\n" not in got:
            some = sock.recv(4096)
            if not some:
                return "closed"
            got += some
    except (OSError, ssl.SSLError) as problem:
        return ending(problem)
    if got[:1] == b"\x15":
        return "alert"
    return got.split(b" ", 2)[1].decode() if got.startswith(b"HTTP/1.1 ") else "no HTTP"


def refused(sock, octets):
    """Writes in spite of everything, then the verdict: a peer that answers and closes may break the write."""
    try:
        sock.sendall(octets)
    except OSError:
        pass
    return verdict(sock)
