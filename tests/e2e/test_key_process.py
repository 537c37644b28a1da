"""ssl_key_process: private keys in a process of their own, and in no other's memory."""
import contextlib
import os
import pathlib
import re
import signal
import ssl
import subprocess

import pytest

from harness import INSTRUMENTED, WAIT, wait_until

BLOCK = """server { listen {port} ssl; ssl_certificate %s; ssl_certificate_key %s; %s
    ssl_client_certificate {certs}/ca.crt; ssl_verify_client on; location / { return 200 "hello"; } }"""
ON = "ssl_key_process on;"


@pytest.fixture(scope="module")
def keys(certs):
    """An ECDSA pair and one with a password, besides the article's RSA."""
    def openssl(*args):
        subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "9", "-subj", "/CN=localhost",
            "-keyout", certs / "ec.key", "-out", certs / "ec.crt")
    openssl("rsa", "-aes256", "-passout", "pass:secret", "-in", certs / "server.key", "-out", certs / "locked.key")
    (certs / "passwords").write_text("wrong\nsecret\n")
    return certs


def processes(gate):
    """Kind to process ids, of the program and all below it: as the log says they were started, and by parentage."""
    started = {int(pid): kind for kind, pid in re.findall(r"start ((?:worker|key) process) (\d+)\n", gate.log())}
    children, found = {}, {"master process": [gate.process.pid]}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            pid, rest = stat.read_text().split(" (", 1)
            children.setdefault(int(rest.rsplit(") ", 1)[1].split()[1]), []).append(int(pid))
    queue = [gate.process.pid]
    while queue:
        parent = queue.pop()
        for pid in children.get(parent, []):
            kind = "builder process" if parent == gate.process.pid else started.get(pid, "other")
            found.setdefault(kind, []).append(pid)
            queue.append(pid)
    return found


def secrets(path):
    """The numbers that make a key private, as they may lie in memory."""
    text = subprocess.run(["openssl", "pkey", "-in", path, "-noout", "-text"], check=True, capture_output=True, text=True).stdout
    numbers = re.findall(r"(?:priv|prime1|prime2|privateExponent):\n((?:    .*\n)+)", text)
    octets = [bytes.fromhex(re.sub(r"[\s:]", "", n)).lstrip(b"\0") for n in numbers]
    assert octets
    return [form for o in octets for form in (o, o[::-1])]


def holds(pid, needles):
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
            start, end = (int(x, 16) for x in line.split()[0].split("-"))
            if "r" not in line.split()[1] or line.endswith(("[vvar]", "[vsyscall]")) or end - start > 1 << 32:
                continue
            with contextlib.suppress(OSError, ValueError):
                memory.seek(start)
                data = memory.read(end - start)
                if any(n in data for n in needles):
                    return True
    return False


@pytest.mark.parametrize("pair", ["server", "ec"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_signs_for_the_workers(proxy, keys, pair, version):
    gate = proxy(BLOCK % (f"{{certs}}/{pair}.crt", f"{{certs}}/{pair}.key", "ssl_session_tickets off;"), main=ON, workers=2)
    for _ in range(4):
        with gate.tls(version=version, server_name="other") as c:
            assert c.get().body == b"hello"
    assert len(processes(gate)["key process"]) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="reads other processes' memory")
@pytest.mark.parametrize("pair", ["server", "ec"])
def test_no_other_process_has_the_key_in_its_memory(proxy, keys, pair):
    needles = secrets(keys / f"{pair}.key")
    for main in ("", ON):
        gate = proxy(BLOCK % (f"{{certs}}/{pair}.crt", f"{{certs}}/{pair}.key", ""), main=main)
        with gate.tls(server_name="other") as c:
            assert c.get().status == 200
        holders = {title for title, pids in processes(gate).items() if any(holds(p, needles) for p in pids)}
        assert holders == ({"key process"} if main else {"builder process", "worker process"})


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give rights up")
def test_the_key_process_can_do_little(proxy, keys):
    gate = proxy(BLOCK % ("{certs}/server.crt", "{certs}/server.key", ""), main=ON)
    with gate.tls() as c:
        assert c.get().status == 200
    (pid,) = processes(gate)["key process"]
    status = dict(l.split(":\t", 1) for l in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in l)
    assert status["Uid"].split()[0] != "0" and int(status["CapEff"], 16) == 0
    if not INSTRUMENTED:
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"


@pytest.mark.skipif(os.geteuid() != 0, reason="looks into a process that shows itself to root alone")
@pytest.mark.no_valgrind("it has descriptors of its own in each process")
def test_the_key_process_has_nothing_open_but_its_lines_and_logs(proxy, keys):
    gate = proxy(BLOCK % ("{certs}/server.crt", "{certs}/server.key", ""), main=ON)
    with gate.tls() as c:
        assert c.get().status == 200
    (pid,) = processes(gate)["key process"]
    descriptors = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
    assert not [d for d in descriptors if "socket:" not in d and "/dev/null" not in d and "output" not in d and "error.log" not in d], descriptors


def test_one_that_dies_is_replaced_with_all_that_needs_it(proxy, keys):
    gate = proxy(BLOCK % ("{certs}/server.crt", "{certs}/server.key", ""), main=ON)
    (first,) = processes(gate)["key process"]
    os.kill(first, signal.SIGKILL)
    gate.logged(f"key process {first} exited on signal 9")
    wait_until(lambda: processes(gate).get("key process", [first]) != [first], "a new key process")

    def answers():
        with contextlib.suppress(OSError):
            with gate.tls() as c:
                return c.get().status == 200
    wait_until(answers, "an answer")


def test_a_reload_brings_a_new_one_and_ends_the_old(proxy, keys):
    gate = proxy(BLOCK % ("{certs}/server.crt", "{certs}/server.key", ""), main=ON)
    (first,) = processes(gate)["key process"]
    gate.reload(BLOCK % ("{certs}/ec.crt", "{certs}/ec.key", ""))
    wait_until(lambda: len(processes(gate)["key process"]) == 1 and processes(gate)["key process"] != [first], "the new one alone")
    with gate.tls(server_name="other") as c:
        assert c.get().status == 200
    (second,) = processes(gate)["key process"]
    gate.stop()
    wait_until(lambda: not pathlib.Path(f"/proc/{second}").exists(), "its end")


def test_passwords_are_read_there_too(proxy, keys):
    gate = proxy(BLOCK % ("{certs}/server.crt", "{certs}/locked.key", "ssl_password_file {certs}/passwords;"), main=ON)
    with gate.tls() as c:
        assert c.get().status == 200


@pytest.mark.parametrize("certificate,key,problem", [
    ("server", "ec", "does not belong to certificate"), ("server", "none", "No such file"),
    ("server", "locked", "it is encrypted; name a file with its password")])
def test_says_what_is_wrong_with_a_key(proxy, keys, certificate, key, problem):
    gate = proxy(BLOCK % (f"{{certs}}/{certificate}.crt", f"{{certs}}/{key}.key", ""), main=ON, wait=False)
    assert gate.process.wait(WAIT) == 1 and problem in gate.said(), gate.said()


def test_without_a_master(proxy, keys):
    gate = proxy(BLOCK % ("{certs}/server.crt", "{certs}/server.key", ""), main=ON + " master_process off;")
    with gate.tls() as c:
        assert c.get().status == 200


def test_watched_files_are_looked_over_by_another_key_process(proxy, keys, tmp_path):
    """ssl_watch_files reads keys as they are now; the one in use reads nothing any more."""
    for name in ("crt", "key"):
        (tmp_path / f"now.{name}").write_bytes((keys / f"server.{name}").read_bytes())
    gate = proxy("events {} http { ssl_watch_files on; %s }" % (BLOCK % (f"{tmp_path}/now.crt", f"{tmp_path}/now.key", "")), main=ON)
    (first,) = processes(gate)["key process"]
    for name in ("key", "crt"):
        (tmp_path / f"new.{name}").write_bytes((keys / f"ec.{name}").read_bytes())
        (tmp_path / f"new.{name}").rename(tmp_path / f"now.{name}")
    gate.logged("files have changed")
    wait_until(lambda: len(processes(gate)["key process"]) == 1 and processes(gate)["key process"] != [first], "the new one alone")
    with gate.tls(server_name="other") as c:
        assert c.get().status == 200
    assert "key process" not in "".join(line for line in gate.log().splitlines() if "[alert]" in line)


def test_a_reader_of_watched_files_that_dies_is_missed_by_nobody(proxy, keys, tmp_path):
    (tmp_path / "list.pem").write_bytes((keys / "rogues/crl-empty.pem").read_bytes())
    gate = proxy("events {} http { ssl_watch_files on; %s }"
                 % (BLOCK % ("{certs}/server.crt", "{certs}/server.key", f"ssl_crl {tmp_path}/list.pem;")))
    builder = processes(gate)["builder process"]
    for name in ("crl.pem", "crl-empty.pem", "crl.pem"):
        (tmp_path / "new.pem").write_bytes((keys / "rogues" / name).read_bytes())
        (tmp_path / "new.pem").rename(tmp_path / "list.pem")
        for pid in {p for pids in processes(gate).values() for p in pids} - set(builder) - {gate.process.pid, *gate.workers()}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    with gate.tls() as c:
        assert c.get().status == 200
    assert processes(gate)["builder process"] == builder
