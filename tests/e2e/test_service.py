"""Under a service manager: what it is told, the sockets that it opens, its unit."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

import pytest

from harness import WAIT, free_port, wait_until
from test_upgrade import is_gone

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLAIN = "server { listen {port}; return 204; }"


class Manager:
    """The socket that NOTIFY_SOCKET names, and what came in."""

    def __init__(self, name):
        self.name = name
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(name.replace("@", "\0") if name.startswith("@") else name)
        self.socket.settimeout(WAIT)

    def told(self, line):
        """Waits for a message with this line, or one that begins with it, and returns its lines."""
        while True:
            lines = dict(part.split("=", 1) for part in self.socket.recv(4096).decode().splitlines())
            name, _, value = line.partition("=")
            if name in lines and lines[name].startswith(value):
                return lines


@pytest.fixture(params=["path", "@portcullis-test-%d" % os.getpid()])
def manager(request, tmp_path):
    m = Manager(str(tmp_path / "notify") if request.param == "path" else request.param)
    yield m
    m.socket.close()


def test_it_hears_of_start_reload_failure_and_end(proxy, manager):
    before = time.clock_gettime(time.CLOCK_MONOTONIC)
    gate = proxy(PLAIN, env={"NOTIFY_SOCKET": manager.name})
    assert manager.told("READY=1") == {"READY": "1", "MAINPID": str(gate.process.pid), "STATUS": "Serving"}
    gate.process.send_signal(signal.SIGHUP)
    assert int(manager.told("RELOADING=1")["MONOTONIC_USEC"]) > before * 1000000
    manager.told("READY=1")
    gate.write("nonsense")
    gate.process.send_signal(signal.SIGHUP)
    manager.told("RELOADING=1")
    assert "failed" in manager.told("READY=1")["STATUS"]
    gate.process.send_signal(signal.SIGQUIT)
    manager.told("STOPPING=1")


def test_its_watchdog_is_told_in_time(proxy, tmp_path):
    manager = Manager(str(tmp_path / "notify"))
    proxy(PLAIN, env={"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "100000"})
    for _ in range(3):
        manager.told("WATCHDOG=1")
    manager.socket.close()


def test_another_processes_watchdog_is_not_ours(proxy, tmp_path):
    manager = Manager(str(tmp_path / "notify"))
    gate = proxy(PLAIN, env={"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"})
    manager.told("READY=1")
    gate.process.send_signal(signal.SIGTERM)
    assert "STOPPING" in dict(p.split("=", 1) for p in manager.socket.recv(4096).decode().splitlines())
    manager.socket.close()


def test_a_new_binary_becomes_the_main_process(proxy, tmp_path):
    manager = Manager(str(tmp_path / "notify"))
    gate = proxy(PLAIN, env={"NOTIFY_SOCKET": manager.name})
    manager.told("READY=1")
    gate.process.send_signal(signal.SIGUSR2)
    new = int(manager.told("READY=1")["MAINPID"])
    assert new != gate.process.pid
    gate.process.send_signal(signal.SIGQUIT)
    assert manager.told("MAINPID=") == {"MAINPID": str(new)}, "not that it stops"
    assert gate.process.wait(WAIT) == 0
    os.kill(new, signal.SIGTERM)
    wait_until(lambda: is_gone(new), "its end")
    manager.socket.close()


def pass_sockets(*sockets):
    """Between fork and exec: as 3, 4 …, with the variables of sd_listen_fds(3). The program is started by a shell,
    which knows its number."""
    fds = [s.fileno() for s in sockets]

    def act():
        for fd in [os.dup2(os.dup(f), 100 + i) for i, f in enumerate(fds)]:
            os.dup2(fd, fd - 97)
            os.close(fd)
    return act


def start_with(gate, sockets):
    command = ["/bin/sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=%d exec "$@"' % len(sockets), "sh", *gate.command()]
    return subprocess.Popen(command, preexec_fn=pass_sockets(*sockets), close_fds=False, env=gate.env,
                            stdin=subprocess.DEVNULL, stdout=gate.output, stderr=gate.output)


def answers(address):
    with socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET) as s:
        s.settimeout(WAIT)
        s.connect(address)
        s.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return s.recv(1000).startswith(b"HTTP/1.1 204")


def test_sockets_that_it_opened_are_found_by_address_and_stay(proxy):
    gate = proxy("server { listen {port}; listen {port2}; listen unix:{folder}/sock; return 204; }")
    gate.stop()
    path, unnamed = str(gate.folder / "sock"), free_port()
    with socket.create_server(("127.0.0.1", gate.port)) as tcp, socket.socket(socket.AF_UNIX) as unix, \
            socket.create_server(("127.0.0.1", unnamed)) as other:
        unix.bind(path)
        unix.listen()
        process = start_with(gate, [tcp, unix, other])
        try:
            wait_until(lambda: gate.pid_path.exists() and gate.pid_path.read_text() == f"{process.pid}\n", "the pid file")
            assert answers(("127.0.0.1", gate.port)) and answers(path) and answers(("127.0.0.1", gate.ports[1]))
            assert f"has the address 127.0.0.1:{unnamed} of a socket" in gate.log()
            before = gate.log().count("start worker process ")
            process.send_signal(signal.SIGHUP)
            wait_until(lambda: gate.log().count("start worker process ") > before, "the reload")
            assert answers(path)
        finally:
            process.send_signal(signal.SIGQUIT)
            assert process.wait(WAIT) == 0
        assert pathlib.Path(path).exists(), "it is the manager's"


def test_sockets_of_another_process_are_not_taken(proxy):
    gate = proxy(PLAIN, env={"LISTEN_PID": "1", "LISTEN_FDS": "5"})
    assert answers(("127.0.0.1", gate.port))
    assert "service manager" not in gate.log()


def test_the_unit_is_one(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd here")
    text = (ROOT / "conf/portcullis.service.in").read_text()
    program = tmp_path / "portcullis"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / "portcullis.service"
    unit.write_text(text.replace("@CMAKE_INSTALL_FULL_SBINDIR@", str(tmp_path)))
    seen = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    # It reads the machine's other units as well, and says what it thinks of them.
    said = [line for line in seen.stderr.splitlines() if "man portcullis" not in line and not line.startswith(("/lib/", "/usr/", "/etc/"))]
    assert not said
