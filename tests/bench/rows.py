"""What is measured: a row each of the table."""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import subprocess
import tempfile
import time

from contenders import KINDS, Setup

MIB = 1024 * 1024
BULK = 10 * MIB
SETTLE_S = 0.3  # until a worker that was told to go is gone

OURS = ("portcullis",)
NGINX_FILES = ("portcullis", "nginx")
PLAIN = Setup("plain")
LOGGED = Setup("logged", says_who=True, kinds=("portcullis", "nginx", "haproxy"))
START = Setup("start", servers=1000, locations=10000, tells_generation=True, keys=("ecdsa",), kinds=NGINX_FILES)
# What is to cost no more than ALONE.
ALONE = Setup("alone", keys=("ecdsa",), kinds=OURS)
LIST = dataclasses.replace(ALONE, name="list", crl="list.crl")
CAS = dataclasses.replace(ALONE, name="cas", ca="cas.crt")
SERVERS = dataclasses.replace(ALONE, name="servers", servers=1000)
LOCATIONS = dataclasses.replace(ALONE, name="locations", locations=10000)
# A worker may use what two may.
ONE_WORKER = dataclasses.replace(ALONE, name="one-worker", cpus=(0, 1))
TWO_WORKERS = dataclasses.replace(ONE_WORKER, name="two-workers", workers=2)


def cpu_ns(pids):
    """CPU time of all their threads, user and system."""
    total = 0
    for pid in pids:
        for stat in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError):
                total += int(stat.read_text().split()[0])
    return total


def cpu_ns_with_ended(pids):
    """The same, and what children of theirs that have ended took, to 10 ms."""
    ended = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            ended += int(fields[13]) + int(fields[14])  # cutime, cstime
    return cpu_ns(pids) + ended * 10**9 // os.sysconf("SC_CLK_TCK")


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
            with bench.around_window(pids):
                before = cpu_ns(pids)
                seen = run.window()
                used = cpu_ns(pids) - before
        return {"value": used / 1000 / operations_of(seen, per), "busy": used / 1e9 / seen["seconds"],
                "unfairness": seen["p99_ms"] / max(seen["p50_ms"], 1e-3), **seen}
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
        with tempfile.NamedTemporaryFile("r") as out, load(bench, running, "ecdsa", "-t", 2, *options) as run:
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


def start(bench, running):
    """ms until it serves, CPU time of all that has been done then."""
    time.sleep(SETTLE_S)
    return {"value": running.start_seconds * 1000, "cpu_ms": cpu_ns_with_ended(running.pids()) / 1e6}


def reload(bench, running):
    """ms until a new configuration serves, CPU time until the old one is gone."""
    before = cpu_ns_with_ended(running.pids())
    seconds = running.reload()
    time.sleep(SETTLE_S)
    return {"value": seconds * 1000, "cpu_ms": (cpu_ns_with_ended(running.pids()) - before) / 1e6}


def endurance(operations, *options):
    """KB that memory grows from the first tenth of so many operations to the last."""
    def measure(bench, running):
        kb = [memory_bytes(running.pids()) / 1024]
        for _ in range(10):
            with load(bench, running, "ecdsa", "-n", operations // 10, *options) as run:
                seen = run.window()
            time.sleep(SETTLE_S)
            kb.append(memory_bytes(running.pids()) / 1024)
        return {"value": kb[-1] - kb[1], "kb": kb, "errors": seen["errors"]}
    return measure


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    title: str
    unit: str
    measure: object
    setup: Setup = PLAIN
    rounds: int = 7
    seconds: float = 1  # of each window
    one_cpu: bool = False  # load, application and proxy share CPU 0: for what the load cannot keep busy
    fresh: bool = False  # processes of its own for each round
    alone: bool = False  # only if asked for by name
    of: str = ""  # shown from the samples of that row, by another key
    key: str = "value"
    # The goals, (must, aim): as shares of nginx and of the best of the others, as a figure, and as a share of the same
    # with another setup, measured in turns.
    nginx: tuple = ()
    best: tuple = ()
    limit: tuple = ()
    beside: Setup | None = None
    within: tuple = ()


HANDSHAKE = ("-c", 16)
KEEP = ("-c", 64, "-k")
DOWN = ("-c", 8, "-k", "-g", BULK)
UP = ("-c", 8, "-k", "-p", BULK, "-g", 2)
AT_SERVER = ("-H", "s777.example.com")
AT_LOCATION = ("-u", "/a7777/")
PAIR = {"rounds": 11, "one_cpu": True}  # of what must differ by a few per cent at most

ROWS = [
    Row("full13-ecdsa", "full TLS 1.3 handshake and a request, ECDSA", "µs", cpu(*HANDSHAKE), one_cpu=True,
        nginx=(0.40, 0.30), best=(0.70, 0.50)),
    Row("full13-rsa", "full TLS 1.3 handshake and a request, RSA-2048", "µs", cpu(*HANDSHAKE, key="rsa"), one_cpu=True,
        nginx=(0.50, 0.42), best=(0.75, 0.63)),
    Row("full12-ecdsa", "full TLS 1.2 handshake and a request, ECDSA", "µs", cpu(*HANDSHAKE, "-v", 2), one_cpu=True,
        nginx=(0.45, 0.38), best=(0.75, 0.60)),
    Row("full12-rsa", "full TLS 1.2 handshake and a request, RSA-2048", "µs", cpu(*HANDSHAKE, "-v", 2, key="rsa"),
        one_cpu=True, nginx=(0.55, 0.48), best=(0.80, 0.70)),
    Row("resume13", "resumed TLS 1.3 handshake and a request, ECDSA", "µs", cpu(*HANDSHAKE, "-r"), one_cpu=True,
        nginx=(0.40, 0.28), best=(0.70, 0.48)),
    Row("resume12", "resumed TLS 1.2 handshake and a request, ECDSA", "µs", cpu(*HANDSHAKE, "-r", "-v", 2),
        one_cpu=True, nginx=(0.50, 0.38), best=(0.70, 0.50)),
    Row("keepalive", "kept connections (64), GET of 1 KB", "µs", cpu(*KEEP), rounds=11,
        nginx=(0.80, 0.72), best=(0.92, 0.85)),
    Row("down", "GET of 10 MiB, per MiB", "µs", cpu(*DOWN, per="MiB"), seconds=2,
        nginx=(0.70, 0.50), best=(0.85, 0.60)),
    Row("down-fair", "p99 of p50, those downloads (8 at a time)", "", None, of="down", key="unfairness"),
    Row("up", "POST of 10 MiB, per MiB", "µs", cpu(*UP, per="MiB"), seconds=2, nginx=(0.65, 0.50), best=(0.85, 0.65)),
    Row("up-fair", "p99 of p50, those uploads", "", None, of="up", key="unfairness"),
    Row("keepalive-one", "kept connections (64), GET of 1 KB, all on one CPU", "µs", cpu(*KEEP), one_cpu=True,
        nginx=(0.80, 0.72), best=(0.92, 0.85)),
    Row("down-one", "GET of 10 MiB, per MiB, all on one CPU", "µs", cpu(*DOWN, per="MiB"), one_cpu=True,
        nginx=(0.70, 0.50), best=(0.85, 0.60)),
    Row("up-one", "POST of 10 MiB, per MiB, all on one CPU", "µs", cpu(*UP, per="MiB"), one_cpu=True,
        nginx=(0.65, 0.50), best=(0.85, 0.65)),
    Row("p99-keepalive", "p99 of requests at 70 % of nginx's capacity", "ms", paced_p99(0.7, *KEEP), rounds=5,
        seconds=3, nginx=(1,)),
    Row("p99-full13", "p99 of handshakes at 70 % of nginx's capacity", "ms", paced_p99(0.7, "-c", 64), rounds=5,
        seconds=3, nginx=(1,)),
    Row("syscalls", "system calls of a kept-alive request, 64 connections", "", system_calls(*KEEP), rounds=1,
        limit=(4.5, 4.1)),
    Row("syscalls-1", "system calls of a kept-alive request, one connection", "", system_calls("-c", 1, "-k"),
        rounds=1),
    Row("idle", "memory of an idle verified connection", "KB", idle_memory, fresh=True, rounds=1, limit=(6.5, 5.5)),
    Row("keepalive-logged", "GET of 1 KB, access log and five identity headers", "µs", cpu(*KEEP), LOGGED, rounds=11,
        nginx=(0.70, 0.55), best=(0.80, 0.65)),
    Row("start", "start with 1,000 servers, 10,000 locations", "ms", start, START, fresh=True, rounds=5,
        nginx=(1,), best=(1,)),
    Row("start-cpu", "the same, CPU time", "ms", None, of="start", key="cpu_ms", nginx=(1,), best=(1,)),
    Row("reload", "reload with 1,000 servers, 10,000 locations", "ms", reload, START, rounds=5,
        nginx=(1,), best=(1,)),
    Row("reload-cpu", "the same, CPU time", "ms", None, of="reload", key="cpu_ms", nginx=(1,), best=(1,)),
    Row("full13-list", "full TLS 1.3 handshake, a list of 1,000,000 revoked beside none", "µs", cpu(*HANDSHAKE), LIST,
        beside=ALONE, within=(1.03,), **PAIR),
    Row("resume13-list", "resumed TLS 1.3 handshake, the same", "µs", cpu(*HANDSHAKE, "-r"), LIST,
        beside=ALONE, within=(1.03,), **PAIR),
    Row("full13-cas", "full TLS 1.3 handshake, 10,000 client CAs beside one", "µs", cpu(*HANDSHAKE), CAS,
        beside=ALONE, within=(1.05,), **PAIR),
    Row("full13-servers", "full TLS 1.3 handshake, 1,000 servers beside one", "µs", cpu(*HANDSHAKE, *AT_SERVER),
        SERVERS, beside=ALONE, within=(1.05,), **PAIR),
    Row("keepalive-servers", "GET of 1 KB, 1,000 servers beside one", "µs", cpu(*KEEP, *AT_SERVER), SERVERS,
        beside=ALONE, within=(1.05,), **PAIR),
    Row("keepalive-locations", "GET of 1 KB, 10,000 locations beside one", "µs", cpu(*KEEP, *AT_LOCATION), LOCATIONS,
        beside=ALONE, within=(1.05,), **PAIR),
    Row("full13-workers", "full TLS 1.3 handshake, two workers beside one", "µs", cpu(*HANDSHAKE), TWO_WORKERS,
        beside=ONE_WORKER, within=(1.05,), rounds=11),
    Row("keepalive-workers", "GET of 1 KB, two workers beside one", "µs", cpu(*KEEP), TWO_WORKERS,
        beside=ONE_WORKER, within=(1.05,), rounds=11),
    Row("endurance-handshakes", "memory after 200,000 full handshakes, more than after 20,000", "KB",
        endurance(200_000, *HANDSHAKE), ALONE, alone=True, fresh=True, rounds=1, limit=(256, 64)),
    Row("endurance-requests", "memory after 5,000,000 requests, more than after 500,000", "KB",
        endurance(5_000_000, *KEEP), ALONE, alone=True, fresh=True, rounds=1, limit=(256, 64)),
]

assert all(set(row.setup.kinds) <= set(KINDS) for row in ROWS)
