"""A storm of reloads: HUP each 50 ms with configurations that differ, while clients ask on kept and on new connections."""

import collections
import contextlib
import multiprocessing
import pathlib
import signal
import threading
import time

from attack import Target
from gates import Honest, descriptors, resident_kb, wait_until

PERIOD = 0.05
# A process may have so many KB more in the end: what malloc keeps, and where the kernel put it.
SPARE_KB = 512
REQUEST = b"GET /10 HTTP/1.1\r\nHost: localhost\r\n\r\n"
# What is added to the configuration in turn: nothing, another server, another CA and more workers.
VARIANTS = [lambda text, gate: text,
            lambda text, gate: text.replace("server_name localhost;", "server_name localhost other.test;"),
            lambda text, gate: text.replace(f"{gate.certs}/ca.crt", f"{gate.folder}/cas.pem").replace(
                "worker_processes 1", "worker_processes 4")]


def ask_on_kept(target, saw):
    """One connection after the other, each as long as it is kept."""
    with target.tls() as sock:
        while target.goes_on():
            sock.sendall(REQUEST)
            head = sock.recv(4096)
            saw["answered" if head.startswith(b"HTTP/1.1 200") else "cut off"] += 1
            if not head or b"Connection: close" in head:
                return


def kept_clients(port, certs, seconds, pipe):
    target, saw = Target(port, certs, "", time.monotonic() + seconds), collections.Counter()

    def run():
        while target.goes_on():
            try:
                ask_on_kept(target, saw)
            except OSError as problem:
                saw["refused" if isinstance(problem, ConnectionRefusedError) else "cut off"] += 1

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pipe.send(dict(saw))


def reload_all_the_time(gate, seconds):
    path, new, count = gate.folder / "conf", gate.folder / "new", 0
    text, end = path.read_text(), time.monotonic() + seconds
    while time.monotonic() < end:
        count += 1
        new.write_text(VARIANTS[count % len(VARIANTS)](text, gate))
        new.replace(path)
        gate.process.send_signal(signal.SIGHUP)
        time.sleep(PERIOD)
    path.write_text(text)
    return count


def parent_of(pid):
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()[1])


def at_rest(gate):
    """Descriptors and KB of each kind of process when there is one of each; nginx has no builder."""
    (worker,) = gate.workers()
    pids = {"master": gate.process.pid, "builder": parent_of(worker), "worker": worker}
    if pids["builder"] == pids["master"]:
        del pids["builder"]
    return {kind: (descriptors(pid), resident_kb(pid)) for kind, pid in pids.items()}


def last_reload(gate):
    """By the first configuration and with no clients: whoever is there then has what the first ones had."""
    gate.process.send_signal(signal.SIGHUP)
    time.sleep(1)  # Those that are under way come to their end, too.
    wait_until(lambda: len(gate.workers()) == 1, "the old workers' end", 60)


def storm(gate, load, seconds):
    (gate.folder / "cas.pem").write_text((gate.certs / "ca.crt").read_text()
                                         + (gate.certs / "rogues/other-ca.crt").read_text())
    last_reload(gate)
    before = at_rest(gate)
    honest = Honest(load, gate, seconds, 50)
    pipe, theirs = multiprocessing.Pipe(False)
    clients = multiprocessing.Process(target=kept_clients, args=(gate.port, gate.certs, seconds, theirs), daemon=True)
    clients.start()
    honest.begin()
    count = reload_all_the_time(gate, seconds)
    new, kept = honest.result(), pipe.recv()
    clients.join()
    last_reload(gate)
    # The master hears of the old ones' end a moment later.
    has_stayed = lambda: all(at_rest(gate)[kind][0] <= was for kind, (was, _) in before.items())  # noqa: E731
    with contextlib.suppress(AssertionError):
        wait_until(has_stayed, "the descriptors", 5)
    after = at_rest(gate)
    wrong = [f"{n} requests on kept connections: {what}" for what, n in kept.items() if what != "answered"]
    wrong += [f"honest clients, new connections: {new['wrong']}"] if new["wrong"] else []
    grown = {kind: [now - was for now, was in zip(after[kind], before[kind])] for kind in before}
    for kind, (fds, kb) in grown.items():
        wrong += [f"the {kind} has {fds} descriptors more"] if fds > 0 else []
        wrong += [f"the {kind} has {kb} KB more"] if kb > SPARE_KB else []
    return {"gate": gate.name, "reloads": count, "new": new, "kept": kept, "wrong": wrong, "grown": grown}
