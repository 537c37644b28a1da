"""Measures rows: starts the proxies of a row's setup, the load and the application, and lets contenders take turns."""

import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile

from contenders import Running, free_port
from rows import PLAIN, cpu

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build/bench"


def compile_tool(name):
    source, program = HERE / f"{name}.c", BUILD / name
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        BUILD.mkdir(parents=True, exist_ok=True)
        flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE"]
        subprocess.run(["cc", *flags, "-o", program, source, "-lssl", "-lcrypto"], check=True)
    return program


class Bench:
    """Certificates, application and settings that all rows share."""

    def __init__(self, options, folder, contenders):
        self.options, self.folder, self.contenders = options, folder, contenders
        self.idle_connections = options.idle
        self.seconds = 0.0  # of a window of the row that is measured
        self.around_window = contextlib.nullcontext  # what else looks at the processes meanwhile; takes their pids
        self.load_cpu = 1
        self.load = compile_tool("load")
        self.certs = folder / "certs"
        for flag, kind in (("--ecdsa", "ecdsa"), ("--rsa", "rsa")):
            subprocess.run([ROOT / "certs/make", flag, self.certs / kind], check=True, stdout=subprocess.DEVNULL)
        self.capacities = {}
        self.running = {}  # by setup and name
        self.failed = {}  # by row and name: why
        self.count = 0
        self.upstream_port = free_port()
        self.upstream = subprocess.Popen([compile_tool("upstream"), str(self.upstream_port)], stdout=subprocess.PIPE)
        self.upstream.stdout.readline()

    @contextlib.contextmanager
    def complaining(self, row, contender):
        """What one contender cannot do must not end the others' run."""
        try:
            yield
        except Exception as error:  # noqa: BLE001
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            self.failed.setdefault(row.name, {})[contender.name] = reason
            print(f"bench: {row.name}, {contender.name}: {reason}", file=sys.stderr, flush=True)

    def pinned(self, command):
        return ["taskset", "-c", str(self.load_cpu), *(str(word) for word in command)]

    def place_load(self, row):
        self.load_cpu = 0 if row.one_cpu or self.options.one_cpu else 1
        assert self.upstream.poll() is None, "the application behind the proxies ended"
        os.sched_setaffinity(self.upstream.pid, {self.load_cpu})

    def start(self, contender, setup):
        self.count += 1
        if setup.crl or setup.ca != "ca.crt":
            self.make_trust_files()
        folder = self.folder / f"{self.count}-{contender.name}"
        return Running(contender, setup, folder, self.certs, self.upstream_port)

    def make_trust_files(self):
        if not (self.certs / "ecdsa/cas.crt").exists():
            subprocess.run([compile_tool("trust_files"), self.certs / "ecdsa"], check=True)

    def take_setups(self, row):
        """The processes that the row needs run, and no others."""
        setups = [setup for setup in (row.setup, row.beside) if setup]
        for setup, name in list(self.running):
            if setup not in setups or not self.running[setup, name].is_alive():
                self.running.pop((setup, name)).stop()
        for setup in setups:
            for contender in self.contenders:
                if contender.kind in setup.kinds and (setup, contender.name) not in self.running and not row.fresh:
                    with self.complaining(row, contender):
                        self.running[setup, contender.name] = self.start(contender, setup)

    def capacity(self, options, key):
        """Operations a second of CPU time, of the first contender."""
        if (options, key) not in self.capacities:
            sample = cpu(*options, key=key)(self, self.running[PLAIN, self.contenders[0].name])
            self.capacities[options, key] = min(1e6 / sample["value"], sample["operations"] / sample["seconds"])
        return self.capacities[options, key]

    def measure_once(self, row, setup, contender):
        if not row.fresh:
            return row.measure(self, self.running[setup, contender.name])
        running = self.start(contender, setup)
        try:
            return row.measure(self, running)
        finally:
            running.stop()

    def measure_pair(self, row, contender, number):
        """Those that are to cost the same, in turns: A B, B A, and so on."""
        setups = [row.setup, row.beside]
        samples = {setup: self.measure_once(row, setup, contender) for setup in setups[::1 if number % 2 else -1]}
        return {**samples[row.setup], "beside": samples[row.beside]["value"]}

    def measure_row(self, row):
        """Samples of each contender, taken in turns."""
        samples = {}
        self.place_load(row)
        self.seconds = self.options.seconds or row.seconds
        self.take_setups(row)
        for number in range(self.options.rounds if self.options.rounds and row.rounds > 1 else row.rounds):
            for contender in self.contenders:
                if contender.kind in row.setup.kinds and contender.name not in self.failed.get(row.name, {}):
                    with self.complaining(row, contender):
                        sample = (self.measure_pair(row, contender, number) if row.beside
                                  else self.measure_once(row, row.setup, contender))
                        samples.setdefault(contender.name, []).append({"round": number, **sample})
        return samples

    def stop(self):
        for running in self.running.values():
            running.stop()
        self.upstream.kill()
        self.upstream.wait()


@contextlib.contextmanager
def bench(options, contenders):
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        os.chmod(temporary, 0o755)  # workers that dropped root open their logs and bodies there
        made = Bench(options, pathlib.Path(temporary), contenders)
        try:
            yield made
        finally:
            made.stop()
