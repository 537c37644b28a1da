"""A storm of reloads: HUP each 50 ms with configurations that differ, while clients ask on kept and on new connections."""

import collections
import multiprocessing
import signal
import threading
import time

from attack import Target
from gates import Honest, descriptors, resident_kb, wait_until

PERIOD = 0.05
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
    gate.process.send_signal(signal.SIGHUP)
    return count


def storm(gate, load, seconds):
    (gate.folder / "cas.pem").write_text((gate.certs / "ca.crt").read_text()
                                         + (gate.certs / "rogues/other-ca.crt").read_text())
    before = descriptors(gate.process.pid), resident_kb(gate.process.pid)
    honest = Honest(load, gate, seconds, 50)
    pipe, theirs = multiprocessing.Pipe(False)
    clients = multiprocessing.Process(target=kept_clients, args=(gate.port, gate.certs, seconds, theirs), daemon=True)
    clients.start()
    honest.begin()
    count = reload_all_the_time(gate, seconds)
    new, kept = honest.result(), pipe.recv()
    clients.join()
    wait_until(lambda: len(gate.workers()) == 1, "the old workers' end", 60)
    after = descriptors(gate.process.pid), resident_kb(gate.process.pid)
    wrong = [f"{n} requests on kept connections: {what}" for what, n in kept.items() if what != "answered"]
    wrong += [f"{new['errors']} requests on new connections failed"] if new["errors"] else []
    wrong += [f"the master has {after[0] - before[0]} descriptors more"] if after[0] > before[0] else []
    return {"gate": gate.name, "reloads": count, "new": new, "kept": kept, "wrong": wrong,
            "master_kb": after[1] - before[1]}
