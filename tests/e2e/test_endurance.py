"""Load, reloads under load, workers killed under load: nothing fails that need not, nothing grows.

PORTCULLIS_ENDURANCE multiplies the counts (1: a few seconds; 100: ten thousand handshakes and a hundred
thousand requests)."""
import os
import pathlib
import signal
import ssl
import threading
import time

import pytest

from harness import ARTICLE, INSTRUMENTED, ScriptedUpstream, small_answers, wait_until

SCALE = int(os.environ.get("PORTCULLIS_ENDURANCE", "1"))


@pytest.fixture
def quick_upstream():
    server = ScriptedUpstream(small_answers)
    yield server
    server.close()


@pytest.fixture
def quiet_gate(proxy, quick_upstream):
    def start(**options):
        return proxy("events {} http { access_log off; upstream app { server %s; keepalive 16; }"
                     % quick_upstream.address + ARTICLE.replace("web_server:port", "app") + "}", level="notice", **options)
    return start


def resident_kb(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])


def handshakes(gate, count, requests, certs=("client",)):
    versions = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    for i in range(count):
        cert = certs[i % len(certs)]
        with gate.tls(cert, versions[i % 2]) as c:
            for _ in range(requests if cert == "client" else 1):
                assert c.get().status == (200 if cert == "client" else 403)


def test_memory_does_not_grow(quiet_gate):
    gate = quiet_gate()
    clients = ("client", None, "client", "other-ca", "expired")
    handshakes(gate, 50, 10, clients)
    (worker,) = gate.workers()
    before = resident_kb(worker)
    threads = [threading.Thread(target=handshakes, args=(gate, 25 * SCALE, 24, clients)) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert gate.workers() == [worker]
    if not INSTRUMENTED:
        assert resident_kb(worker) - before < 1024, (before, resident_kb(worker))


class Load:
    """Clients that ask again and again, each request on a connection kept or new, and count what fails."""

    def __init__(self, gate, threads=4, each=8):
        self.gate, self.each, self.stopped = gate, each, False
        self.answered, self.failed = 0, []
        self.threads = [threading.Thread(target=self.run) for _ in range(threads)]

    def run(self):
        while not self.stopped:
            try:
                with self.gate.tls() as c:
                    for _ in range(self.each):
                        answer = c.get()
                        if answer.status != 200:
                            self.failed.append(answer)
                            break
                        self.answered += 1
                        if answer.headers.get("connection") == "close":
                            break
            except (OSError, EOFError, ValueError) as e:
                self.failed.append(e)

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.stopped = True
        for t in self.threads:
            t.join()


def test_reloads_under_load_fail_no_request(quiet_gate):
    gate = quiet_gate()
    with Load(gate) as load:
        for _ in range(10 if SCALE == 1 else 200):
            gate.process.send_signal(signal.SIGHUP)
            time.sleep(0.1)
        wait_until(lambda: load.answered > 50, "answers")
    assert load.failed == []
    # The old ones go.
    wait_until(lambda: len(gate.workers()) == 1, "old workers to end")


def test_a_killed_worker_costs_only_its_own_connections(proxy, quick_upstream):
    gate = proxy("events {} http { access_log off; upstream app { server %s; keepalive 16; }" % quick_upstream.address
                 + ARTICLE.replace("web_server:port", "app") + "}", level="notice", workers=2)
    with Load(gate) as load:
        for _ in range(3):
            time.sleep(0.3)
            os.kill(gate.workers()[0], signal.SIGKILL)
        wait_until(lambda: load.answered > 50, "answers")
    # At most one request of each client for each death.
    assert len(load.failed) <= 3 * len(load.threads), load.failed
    gate.logged("exited on signal 9")
