"""What is measured: a row each of the table."""

import contextlib
import dataclasses
import json
import pathlib
import re
import subprocess
import tempfile
import time

from contenders import KINDS, Setup

MIB = 1024 * 1024
BULK = 10 * MIB

PLAIN = Setup("plain")
LOGGED = Setup("logged", says_who=True, kinds=("portcullis", "nginx", "haproxy"))
TWO_WORKERS = Setup("workers", workers=2, kinds=("portcullis", "nginx"))
MANY = Setup("many", servers=1000, locations=10000, kinds=("portcullis", "nginx"))


def cpu_ns(pids):
    """CPU time of all their threads, user and system."""
    total = 0
    for pid in pids:
        for stat in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError):
                total += int(stat.read_text().split()[0])
    return total


def memory_bytes(pids):
    """What they have in memory, shared pages by share."""
    rollups = (pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids)
    return sum(int(re.search(r"^Pss:\s+(\d+)", text, re.M)[1]) * 1024 for text in rollups)


class Load:
    """A run of the load generator, which says when its window begins and ends, and waits both times."""

    def __init__(self, bench, running, key, *options):
        command = [bench.load, running.place.ports[key], bench.certs / key, *options]
        self.process = subprocess.Popen(bench.pinned(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.warmed_up = self.line() == "begin"

    def line(self):
        line = self.process.stdout.readline().strip()
        if not line:
            raise RuntimeError(f"the load gave up: {' '.join(map(str, self.process.args))}")
        return line

    def go_on(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def window(self):
        self.go_on()
        return json.loads(self.line())

    def end(self):
        with contextlib.suppress(BrokenPipeError):
            self.go_on()
        self.process.stdin.close()
        self.process.wait()


@contextlib.contextmanager
def load(bench, running, key, *options):
    run = Load(bench, running, key, *options)
    try:
        yield run
    finally:
        run.end()


def operations_of(seen, per):
    count = seen["body_bytes"] / MIB if per == "MiB" else seen["operations"]
    if count == 0:
        raise RuntimeError("nothing was answered in time")
    return count


def cpu(*options, key="ecdsa", per="operation"):
    """µs of the proxy's CPU time per operation or MiB."""
    def measure(bench, running):
        with load(bench, running, key, "-t", bench.seconds, *options) as run:
            pids = running.pids()
            before = cpu_ns(pids)
            seen = run.window()
            used = cpu_ns(pids) - before
        return {"value": used / 1000 / operations_of(seen, per), "busy": used / 1e9 / seen["seconds"], **seen}
    return measure


def paced_p99(share, *options, key="ecdsa"):
    """ms that 99 of 100 requests take at most, at a share of what the first contender can do."""
    def measure(bench, running):
        rate = bench.capacity(options, key) * share
        with load(bench, running, key, "-t", bench.seconds, "-R", rate, *options) as run:
            seen = run.window()
        return {"value": seen["p99_ms"], "rate": rate, **seen}
    return measure


def idle_memory(bench, running):
    """Bytes of each connection that was verified, asked one thing, and waits."""
    count = bench.idle_connections
    pids = running.pids()
    before = memory_bytes(pids)
    with load(bench, running, "ecdsa", "-c", count, "-i"):
        time.sleep(1)
        used = memory_bytes(pids) - before
    return {"value": used / count / 1024, "connections": count}


def calls_in(summary):
    """strace -c's table, by name."""
    rows = (line.split() for line in summary.splitlines())
    return {row[-1]: int(row[3]) for row in rows if len(row) >= 5 and row[3].isdigit() and row[-1] != "total"}


def system_calls(*options):
    def measure(bench, running):
        with tempfile.NamedTemporaryFile("r") as out, load(bench, running, "ecdsa", "-t", 1, *options) as run:
            attach = [word for pid in running.pids() for word in ("-p", pid)]
            strace = subprocess.Popen([str(word) for word in ["strace", "-c", "-f", "-o", out.name, *attach]],
                                      stderr=subprocess.PIPE, text=True)
            strace.stderr.readline()  # "attached"
            seen = run.window()
            strace.terminate()
            strace.communicate()
            calls = calls_in(out.read())
        requests = operations_of(seen, "operation")
        return {"value": sum(calls.values()) / requests,
                "calls": {name: count / requests for name, count in calls.items()}, **seen}
    return measure


def start_time(bench, running):
    return {"value": running.start_seconds * 1000}


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    title: str
    unit: str
    measure: object
    setup: Setup = PLAIN
    fresh: bool = False  # processes of its own for each round
    rounds: int = 0  # 0: as many as asked for


HANDSHAKE = ("-c", 16)
KEEP = ("-c", 64, "-k")
DOWN = ("-c", 8, "-k", "-g", BULK)
UP = ("-c", 8, "-k", "-p", BULK, "-g", 2)

ROWS = [
    Row("full13-ecdsa", "full TLS 1.3 handshake and a request, ECDSA", "µs", cpu(*HANDSHAKE)),
    Row("full13-rsa", "full TLS 1.3 handshake and a request, RSA", "µs", cpu(*HANDSHAKE, key="rsa")),
    Row("full12-ecdsa", "full TLS 1.2 handshake and a request, ECDSA", "µs", cpu(*HANDSHAKE, "-v", 2)),
    Row("full12-rsa", "full TLS 1.2 handshake and a request, RSA", "µs", cpu(*HANDSHAKE, "-v", 2, key="rsa")),
    Row("resume13", "resumed TLS 1.3 handshake and a request, ECDSA", "µs", cpu(*HANDSHAKE, "-r")),
    Row("resume12", "resumed TLS 1.2 handshake and a request, ECDSA", "µs", cpu(*HANDSHAKE, "-r", "-v", 2)),
    Row("keepalive", "kept connections, GET of 1 KB", "µs", cpu(*KEEP)),
    Row("down", "GET of 10 MiB, per MiB", "µs", cpu(*DOWN, per="MiB")),
    Row("up", "POST of 10 MiB, per MiB", "µs", cpu(*UP, per="MiB")),
    Row("p99-keepalive", "p99 of requests at 70 % of nginx's capacity", "ms", paced_p99(0.7, *KEEP)),
    Row("p99-full13", "p99 of handshakes at 70 % of nginx's capacity", "ms", paced_p99(0.7, "-c", 64)),
    Row("syscalls", "system calls of a request, 64 connections", "", system_calls(*KEEP), rounds=1),
    Row("syscalls-1", "system calls of a request, one connection", "", system_calls("-c", 1, "-k"), rounds=1),
    Row("idle", "memory of an idle connection", "KB", idle_memory, fresh=True, rounds=1),
    Row("keepalive-logged", "GET of 1 KB, access log and five identity headers", "µs", cpu(*KEEP), LOGGED),
    Row("full13-workers", "full TLS 1.3 handshake, two workers", "µs", cpu(*HANDSHAKE), TWO_WORKERS),
    Row("keepalive-workers", "GET of 1 KB, two workers", "µs", cpu(*KEEP), TWO_WORKERS),
    Row("full13-many", "full TLS 1.3 handshake, 1,000 servers", "µs", cpu(*HANDSHAKE), MANY),
    Row("keepalive-many", "GET of 1 KB, 1,000 servers, 10,000 locations", "µs", cpu(*KEEP), MANY),
    Row("start-many", "start with 1,000 servers, 10,000 locations", "ms", start_time, MANY, fresh=True, rounds=3),
]

assert all(set(row.setup.kinds) <= set(KINDS) for row in ROWS)
