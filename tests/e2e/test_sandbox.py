"""A worker that somebody else steers: what it still can do to the machine."""
import os
import pathlib
import signal
import socket

import pytest

from harness import ARTICLE, Upstream
from test_process_skeleton import daemon, read_line  # noqa: F401 (a fixture)

unconfined_under_valgrind = pytest.mark.no_valgrind("it knows neither seccomp nor Landlock")

LINES = "listen 127.0.0.1:{port}\ngreeting one\n"


@pytest.fixture(autouse=True)
def not_sanitized(binary):
    if "asan" in str(binary):
        pytest.skip("sanitizers cannot work in it")


def try_it(d, what, argument=""):
    """A worker tries, and says which error it got."""
    sock, _ = d.connect()
    with sock:
        sock.sendall(f"try {what} {argument}\n".encode())
        return read_line(sock)


def status(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


@pytest.fixture
def tmp_folder(tmp_path):
    """Reachable by nobody, whom workers run as: what is refused there is refused by the sandbox."""
    for folder in [tmp_path, *tmp_path.parents][:4]:
        if folder.owner() == pathlib.Path("/tmp").owner() and folder != pathlib.Path("/tmp"):
            folder.chmod(0o755)
    return tmp_path


@unconfined_under_valgrind
@pytest.mark.parametrize("what, argument, error", [
    ("read", "/etc/passwd", "EACCES"),
    ("read", "/proc/version", "EACCES"),
    ("create", "/dev/null", "EACCES"),
    ("fork", "", "EPERM"),
    ("listen", "", "EPERM"),
    ("code", "", "EPERM"),
    ("kill", "0", "EPERM"),
    ("socket", f"{socket.AF_NETLINK:d},{socket.SOCK_RAW:d}", "EPERM"),
    ("socket", f"{socket.AF_UNIX:d},{socket.SOCK_STREAM:d}", "EPERM"),
    ("socket", f"{socket.AF_INET:d},{socket.SOCK_DGRAM:d}", "EPERM"),
    ("shutdown", "", "EPERM"),
    ("filter", "", "EPERM"),
    ("block", "", "EPERM"),
    ("rewrite", "", "EPERM"),
    ("truncate", "", "EPERM"),
])
def test_a_worker_is_refused(daemon, what, argument, error):  # noqa: F811
    assert try_it(daemon(LINES + "sandbox off\n"), what, argument) == "done"
    assert try_it(daemon(LINES), what, argument) == error


@unconfined_under_valgrind
def test_a_worker_that_executes_ends(daemon):  # noqa: F811
    d = daemon(LINES)
    sock, _ = d.connect()
    with sock:
        sock.sendall(b"try execute /bin/true\n")
        assert sock.recv(100) == b""
    d.logged(f"exited on signal {int(signal.SIGSYS)}")
    assert d.greeting() == "one", "and is replaced"


@unconfined_under_valgrind
def test_it_connects_to_the_ports_that_were_named(daemon):  # noqa: F811
    with socket.create_server(("127.0.0.1", 0)) as named, socket.create_server(("127.0.0.1", 0)) as other:
        d = daemon(LINES + f"port {named.getsockname()[1]}\n")
        assert try_it(d, "connect", named.getsockname()[1]) == "done"
        assert try_it(d, "connect", other.getsockname()[1]) == "EACCES"


@unconfined_under_valgrind
@pytest.mark.parametrize("lines, kinds", [
    ("", []), ("open unix\n", ["unix"]), ("open datagrams\n", ["datagrams"]), ("open unix\nopen datagrams\n", ["unix", "datagrams"])])
def test_it_has_the_sockets_that_were_named(daemon, lines, kinds):  # noqa: F811
    d = daemon(LINES + lines)
    for kind, numbers in [("unix", (socket.AF_UNIX, socket.SOCK_DGRAM)), ("datagrams", (socket.AF_INET6, socket.SOCK_DGRAM))]:
        assert try_it(d, "socket", "%d,%d" % numbers) == ("done" if kind in kinds else "EPERM")
    assert try_it(d, "socket", "%d,%d" % (socket.AF_INET, socket.SOCK_STREAM)) == "done"


@unconfined_under_valgrind
def test_it_reads_the_files_that_were_named_also_after_a_worker_died(daemon, tmp_folder):  # noqa: F811
    named, other = tmp_folder / "named", tmp_folder / "other"
    named.write_text("")
    other.write_text("")
    d = daemon(LINES + f"read {named}\n")
    for _ in range(2):
        assert try_it(d, "read", named) == "done"
        assert try_it(d, "read", other) == "EACCES"
        try_it_and_die(d)


def try_it_and_die(d):
    sock, line = d.connect()
    with sock:
        os.kill(int(line.split()[1]), signal.SIGKILL)
        assert sock.recv(1) == b""


def test_report_refuses_nothing(daemon):  # noqa: F811
    d = daemon(LINES + "sandbox report\n")
    assert try_it(d, "fork") == "done"
    assert try_it(d, "read", "/etc/passwd") == "done"
    assert "sandbox: report" in d.log()


@unconfined_under_valgrind
def test_workers_of_the_program_are_confined(proxy, upstream):
    gate = proxy(ARTICLE.replace("web_server:port", upstream.address), workers=2)
    gate.logged("sandbox: on")
    for pid in gate.workers():
        of = status(pid)
        assert of["Seccomp"] == "2" and of["NoNewPrivs"] == "1"
        assert int(of["CapEff"], 16) == int(of["CapPrm"], 16) == int(of["CapAmb"], 16) == 0
        assert not any("io_uring" in os.readlink(f) for f in pathlib.Path(f"/proc/{pid}/fd").iterdir())


def test_root_as_user_has_no_capabilities_either(proxy, upstream):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    gate = proxy(ARTICLE.replace("web_server:port", upstream.address), main="user root;")
    assert int(status(gate.workers()[0])["CapEff"], 16) == 0


def test_off_changes_nothing(proxy, upstream):
    gate = proxy(ARTICLE.replace("web_server:port", upstream.address), main="sandbox off;")
    assert status(gate.workers()[0])["Seccomp"] == "0"
    gate.logged("sandbox: off")


def test_upstreams_and_name_servers_are_reached_after_a_reload_too(proxy, upstream):
    text = "server { listen {port}; location / { proxy_pass http://%s; } }"
    gate = proxy(text % upstream.address)
    with Upstream() as second:
        gate.reload(text % second.address)
        with gate.plain() as client:
            client.send("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert client.answer().status == 200


@unconfined_under_valgrind
def test_an_upstream_of_a_variable_may_have_any_port(proxy, upstream):
    gate = proxy('server { listen {port}; set $to "%s"; location / { proxy_pass http://$to; } }' % upstream.address)
    assert "files limited, ports not" in gate.logged("sandbox: on")
    with gate.plain() as client:
        client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.answer().status == 200


def test_bodies_go_to_their_folder(proxy, upstream, tmp_path):
    gate = proxy("server { listen {port}; client_body_temp_path {folder}/bodies; client_body_buffer_size 1k; "
                 "location / { proxy_pass http://%s; } }" % upstream.address)
    with gate.plain() as client:
        client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n" + "x" * 100000)
        assert client.answer().status == 200
    assert "bodies go to" not in gate.log() and "failed" not in gate.log()


OLD_KERNEL = """#!/usr/bin/python3
# Runs the program under a kernel that knows neither Landlock nor seccomp(2), as far as it can see.
import ctypes, os, struct, sys
def code(op, yes, no, k):
    return struct.pack("HBBI", op, yes, no, k)
ENOSYS, ALLOW = 0x00050000 | 38, 0x7fff0000
program = (code(0x20, 0, 0, 0) + code(0x15, 2, 0, 444) + code(0x15, 1, 0, 317) +
           code(0x06, 0, 0, ALLOW) + code(0x06, 0, 0, ENOSYS))
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]
libc = ctypes.CDLL(None, use_errno=True)
filter = Program(len(program) // 8, program)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, ctypes.byref(filter), 0, 0) == 0
os.execv("%s", sys.argv)
"""


def test_an_old_kernel_is_warned_of_and_everything_else_is_as_before(proxy, binary, upstream, tmp_path):
    if os.uname().machine != "x86_64":
        pytest.skip("the numbers of the calls are another machine's")
    wrapper = tmp_path / "wrapper"
    wrapper.write_text(OLD_KERNEL % binary)
    wrapper.chmod(0o755)
    gate = proxy(ARTICLE.replace("web_server:port", upstream.address), binary=wrapper)
    assert "[warn]" in gate.logged("sandbox: no Landlock here")
    assert "[warn]" in gate.logged("sandbox: no seccomp here")
    assert "files and ports not limited" in gate.logged("sandbox: on")
    assert gate.curl().status == 200
    assert int(status(gate.workers()[0])["CapEff"], 16) == 0
