"""One call fails: the N-th of a kind, for N from 1 on, in the master, the builder or a worker, during a short scenario.

A worker's scenario is a few requests, one on a resumed session, one by a client without a certificate; keys are in a
process of their own, which counts as a worker. A builder's and the master's is a reload. Whatever fails: the master
lives on, nobody without a certificate is let in, and the next good client is served, if need be by another worker.
Several gates share the numbers, each with a plan of its own."""

import errno
import itertools
import mmap
import os
import pathlib
import signal
import struct
import subprocess
import threading
import time

from attack import Target

KINDS = ["memory", "accept", "read", "write", "fork", "open"]
GATES = 6
MAIN = "ssl_key_process on;"
ROLES = ["master", "builder", "worker"]
ERRORS = {"memory": errno.ENOMEM, "accept": errno.EMFILE, "read": errno.EIO, "write": errno.EIO, "fork": errno.EAGAIN,
          "open": errno.EMFILE}
# What each does in its scenario.
ROWS = [("worker", "accept"), ("worker", "read"), ("worker", "write"), ("worker", "open"), ("worker", "memory"),
        ("builder", "fork"), ("builder", "read"), ("builder", "write"), ("builder", "open"), ("builder", "memory"),
        ("master", "fork"), ("master", "read"), ("master", "write"), ("master", "open"), ("master", "memory")]


class Plan:
    """inject.c's struct plan."""

    LAYOUT = struct.Struct("=qiiii")

    def __init__(self, folder):
        self.path = folder / "plan"
        self.path.write_bytes(bytes(self.LAYOUT.size))
        self.path.chmod(0o666)
        with open(self.path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), self.LAYOUT.size)

    def arm(self, role, kind, number):
        self.map[:] = self.LAYOUT.pack(0, KINDS.index(kind), ROLES.index(role), ERRORS[kind], 0)
        self.map[0:8] = struct.pack("=q", number)

    def disarm(self):
        self.map[0:8] = bytes(8)

    def has_failed(self):
        return self.LAYOUT.unpack(self.map[:])[4] > 0


def compile_shim(build):
    source, library = pathlib.Path(__file__).with_name("inject.c"), build / "inject.so"
    if not library.exists() or library.stat().st_mtime < source.stat().st_mtime:
        build.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-D_GNU_SOURCE", "-o", library, source, "-ldl"], check=True)
    return library


def ask(target, cert, path, body=b"", session=None):
    """The answers' statuses, as far as there are any, and the session to resume."""
    method = f"POST {path} HTTP/1.1\r\nContent-Length: {len(body)}" if body else f"GET {path} HTTP/1.1"
    statuses = []
    context = session.context if session else target.context(cert=cert)
    try:
        with context.wrap_socket(target.tcp(), server_hostname="localhost", session=session and session.ticket) as sock:
            sock.settimeout(3)
            for _ in range(2):
                sock.sendall(method.encode() + b"\r\nHost: localhost\r\n\r\n" + body)
                answer = sock.recv(65536)
                statuses.append(answer[9:12].decode())
            session = Session(context, sock.session)
    except OSError:
        pass
    return statuses, session


class Session:
    def __init__(self, context, ticket):
        self.context, self.ticket = context, ticket


class Injection:
    def __init__(self, gate, plan, watched):
        self.gate, self.plan, self.watched = gate, plan, watched
        self.target = Target(gate.port, gate.certs, "inject")
        self.wrong = []

    def requests(self):
        _, session = ask(self.target, "client", "/10")
        ask(self.target, "client", "/10", b"x" * 40000, session)
        strangers, _ = ask(self.target, None, "/watched/inject/")
        if "200" in strangers or self.watched.count("inject"):
            self.wrong.append("somebody without a certificate was let in")

    def reload(self):
        """Until the new workers alone are there, or one call has failed and nothing moves any more."""
        before, quiet_since = self.gate.workers(), None
        self.gate.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 5
        while time.monotonic() < end:
            now = self.gate.workers()
            if now and not set(now) & set(before):
                return
            if now != before or not self.plan.has_failed():
                quiet_since = None
            elif quiet_since is None:
                quiet_since = time.monotonic()
            elif time.monotonic() - quiet_since > 0.15:
                return
            time.sleep(0.005)

    def is_served(self):
        return ask(self.target, "client", "/10")[0][:1] == ["200"]

    def recover(self, before):
        """Served again, by a fresh worker if one was lost: pauses between deaths would add up."""
        if self.gate.process.poll() is not None:
            self.wrong.append("the master is gone")
            return False
        if self.gate.workers() != before:
            self.reload()
        end = time.monotonic() + 8
        while not self.is_served():
            if time.monotonic() > end:
                self.wrong.append("nobody is served any more")
                return False
            time.sleep(0.01)
        return True

    def fail_one(self, role, kind, number):
        """False: the scenario has no such call."""
        before = self.gate.workers()
        self.plan.arm(role, kind, number)
        self.requests() if role == "worker" else self.reload()
        self.plan.disarm()
        has_failed = self.plan.has_failed()
        if has_failed:
            self.recover(before)
        return has_failed


def some_numbers():
    number = 1
    while True:
        yield number
        number += max(1, number // 4)


class Row:
    """The N-th call of a kind fails, for the numbers in turn, until the scenario has no such call."""

    def __init__(self, role, kind, every, seconds):
        self.role, self.kind, self.every, self.end = role, kind, every, time.monotonic() + seconds
        self.numbers = itertools.count(1) if every else some_numbers()
        self.lock, self.tried, self.whole, self.wrong = threading.Lock(), 0, False, []

    def next_number(self):
        with self.lock:
            return None if self.whole or self.wrong or time.monotonic() > self.end else next(self.numbers)

    def note(self, number, has_failed, wrong):
        with self.lock:
            self.tried += has_failed
            self.whole |= not has_failed
            self.wrong += [f"call {number}: {what}" for what in wrong]

    def work(self, injection):
        while (number := self.next_number()) is not None:
            injection.wrong = []
            has_failed = injection.fail_one(self.role, self.kind, number)
            self.note(number, has_failed, injection.wrong)

    def run(self, injections):
        threads = [threading.Thread(target=self.work, args=(injection,)) for injection in injections]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return {"role": self.role, "kind": self.kind, "tried": self.tried, "whole": self.whole and self.every, "wrong": self.wrong}


def start(start_gate, watched, folder, library):
    folder.mkdir()
    folder.chmod(0o755)
    plan = Plan(folder)
    gate = start_gate({**os.environ, "LD_PRELOAD": str(library), "FAULTS_PLAN": str(plan.path)}, MAIN)
    return Injection(gate, plan, watched)


def inject(start_gate, watched, folder, build, every, seconds):
    """A row for each role and kind."""
    library, injections = compile_shim(build), []
    try:
        for i in range(GATES if every else 1):
            injections.append(start(start_gate, watched, folder / f"plan-{i}", library))
        for role, kind in ROWS:
            yield Row(role, kind, every, seconds).run(injections)
        # Aborts for want of memory are meant, must() is one; a claim of the program's that does not hold is not.
        lines = [line for injection in injections for line in (injection.gate.folder / "output").read_text().splitlines()
                 if "src/" in line and "Assertion" in line and " must: " not in line]
        if lines:
            yield {"role": "any", "kind": "assertion", "tried": 1, "whole": True, "wrong": lines[:3]}
    finally:
        for injection in injections:
            injection.gate.stop()
