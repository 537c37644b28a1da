"""One call fails: the N-th of a kind, for N from 1 on, in the master, the builder or a worker, during a short scenario.

A worker's scenario is a few requests, one by a client without a certificate; a builder's and the master's is a
reload. Whatever fails: the master lives on, nobody without a certificate is let in, and the next good client is
served, if need be by another worker."""

import errno
import mmap
import os
import pathlib
import signal
import struct
import subprocess
import time

from attack import Target

KINDS = ["memory", "accept", "read", "write", "fork", "open"]
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


def ask(target, cert, path, body=b""):
    """The answers' statuses, as far as there are any."""
    method = f"POST {path} HTTP/1.1\r\nContent-Length: {len(body)}" if body else f"GET {path} HTTP/1.1"
    statuses = []
    try:
        with target.tls(cert=cert) as sock:
            sock.settimeout(3)
            for _ in range(2):
                sock.sendall(method.encode() + b"\r\nHost: localhost\r\n\r\n" + body)
                answer = sock.recv(65536)
                statuses.append(answer[9:12].decode())
    except OSError:
        pass
    return statuses


class Injection:
    def __init__(self, gate, plan, watched):
        self.gate, self.plan, self.watched = gate, plan, watched
        self.target = Target(gate.port, gate.certs, "inject")
        self.wrong = []

    def requests(self):
        ask(self.target, "client", "/10")
        ask(self.target, "client", "/10", b"x" * 40000)
        strangers = ask(self.target, None, "/watched/inject/")
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
        return ask(self.target, "client", "/10")[:1] == ["200"]

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

    def row(self, role, kind, every, seconds):
        number, tried, end = 1, 0, time.monotonic() + seconds
        self.wrong = []
        while not self.wrong and time.monotonic() < end and self.fail_one(role, kind, number):
            tried += 1
            number += 1 if every else max(1, number // 4)
        whole = time.monotonic() < end
        return {"role": role, "kind": kind, "tried": tried, "last": number - 1 if every else None, "whole": whole,
                "wrong": [f"call {number}: {what}" for what in self.wrong]}


def inject(start_gate, watched, folder, build, every, seconds):
    """A row for each role and kind."""
    plan = Plan(folder)
    environment = {**os.environ, "LD_PRELOAD": str(compile_shim(build)), "FAULTS_PLAN": str(plan.path)}
    gate = start_gate(environment)
    try:
        injection = Injection(gate, plan, watched)
        for role, kind in ROWS:
            yield injection.row(role, kind, every, seconds)
        # Aborts for want of memory are meant; a claim of the program's that does not hold is not.
        lines = [line for line in (gate.folder / "output").read_text().splitlines() if "Assertion" in line]
        if lines:
            yield {"role": "any", "kind": "assertion", "tried": 1, "last": None, "whole": True, "wrong": lines[:3]}
    finally:
        gate.stop()
