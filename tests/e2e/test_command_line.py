"""The command line and configuration errors, in nginx's words, with nginx's exit codes."""
import socket
import subprocess

import pytest

from harness import ARTICLE, WAIT, free_port


@pytest.fixture
def run(binary, certs, tmp_path):
    def run(*args, text=None):
        if text is not None:
            (tmp_path / "p.conf").write_text(text.replace("{certs}", str(certs)).replace("{port}", f"127.0.0.1:{free_port()}")
                                             .replace("{folder}", str(tmp_path)))
            args = ("-c", str(tmp_path / "p.conf"), "-p", str(tmp_path), "-g", f"pid {tmp_path}/pid;", *args)
        return subprocess.run([binary, *args], capture_output=True, text=True, timeout=WAIT)
    return run


BLOCK = ARTICLE.replace("web_server:port", "127.0.0.1:9")


def test_t_says_that_the_configuration_is_fine(run, tmp_path):
    done = run("-t", text=BLOCK)
    assert done.returncode == 0
    assert f"the configuration file {tmp_path}/p.conf syntax is ok" in done.stderr
    assert f"configuration file {tmp_path}/p.conf test is successful" in done.stderr
    assert not (tmp_path / "pid").exists()


def test_T_shows_the_configuration(run, tmp_path):
    done = run("-T", text=BLOCK)
    assert done.returncode == 0
    assert f"# configuration file {tmp_path}/p.conf:" in done.stdout
    assert "ssl_verify_client on;" in done.stdout


def test_q_is_silent_about_success(run):
    assert run("-t", "-q", text=BLOCK).stderr == ""


def test_v_names_the_version(run):
    done = run("-v")
    assert done.returncode == 0 and done.stderr.startswith("portcullis version: portcullis/")
    assert "mbedTLS" in run("-V").stderr or "mbed TLS" in run("-V").stderr
    assert "-s signal" in run("-h").stderr + run("-h").stdout


def test_unknown_option_and_signal(run):
    assert run("-Z").returncode == 1 and 'invalid option: "' in run("-Z").stderr
    assert run("-s", "dance").returncode == 1 and 'invalid option: "-s dance"' in run("-s", "dance").stderr


@pytest.mark.parametrize("text, words", [
    ("server { listn 443; }", 'unknown directive "listn"'),
    ("server { listn 443; }", '"listen"'),
    ("server { listen {port} }", 'unexpected "}"'),
    ("server { listen {port};", 'unexpected end of file, expecting "}"'),
    ("server { listen {port}; proxy_pass http://127.0.0.1:9; }", '"proxy_pass" directive is not allowed here'),
    ("server { listen {port}; server_tokens; }", 'invalid number of arguments in "server_tokens" directive'),
    ("server { listen {port}; keepalive_timeout 5s; keepalive_timeout 6s; }", '"keepalive_timeout" directive is duplicate'),
    ("server { listen {port}; keepalive_timeout soon; }", '"soon"'),
    ("server { listen {port}; auth_basic x; }", '"auth_basic"'),
    ("server { listen {port}; location / { root /x; try_files $uri =404; } }", '"try_files"'),
    ("server { listen {port}; location / { return 200 $nothing; } }", 'unknown "nothing" variable'),
    ("server { listen {port}; location / { proxy_pass http://no-such-host.invalid; } }", 'host not found in upstream "no-such-host.invalid"'),
    ("server { listen {port} ssl; }", 'no "ssl_certificate" is defined'),
    (BLOCK.replace("{certs}/server.crt", "/nowhere.crt"), "/nowhere.crt"),
    (BLOCK.replace("{certs}/server.key", "{certs}/client.key"), "key"),
    (BLOCK.replace("{certs}/ca.crt", "/dev/null"), "/dev/null"),
    (BLOCK.replace("{certs}/ca.crt", "/nowhere.crt"), "/nowhere.crt"),
    (BLOCK.replace("ssl_client_certificate {certs}/ca.crt;", ""), "ssl_client_certificate"),
    ("include /nowhere/x.conf;", "/nowhere/x.conf"),
])
def test_bad_configurations_are_refused_by_name_and_line(run, text, words):
    done = run("-t", text=text)
    assert done.returncode == 1
    assert words in done.stderr, done.stderr
    assert "[emerg]" in done.stderr and "p.conf:" in done.stderr
    assert "test failed" in done.stderr


def test_all_problems_are_reported_in_one_run(run):
    done = run("-t", text="server { listen {port};\n listn 1;\n location / {\n auth_basic x;\n return 200 $nothing; } }")
    assert all(w in done.stderr for w in ("p.conf:2", "p.conf:4", "p.conf:5")), done.stderr


def test_port_in_use_is_a_clear_error(run, gate):
    done = run("-g", "daemon off;", text=BLOCK.replace("{port}", f"127.0.0.1:{gate.port}"))
    assert done.returncode == 1
    assert "bind() to 127.0.0.1:%d failed (98: Address already in use); another program listens there" % gate.port in done.stderr
    assert done.stderr.count("bind()") == 2, done.stderr  # the other one: still could not


def test_an_address_that_is_not_here_is_a_clear_error(run):
    done = run("-t", text=BLOCK.replace("{port}", "192.0.2.1:443"))
    assert done.returncode == 1
    assert "bind() to 192.0.2.1:443 failed (99: Cannot assign requested address); no interface of this machine" in done.stderr


def test_a_start_tells_of_a_certificate_that_has_expired(proxy):
    gate = proxy(BLOCK.replace("server.", "rogues/expired."))
    gate.logged('rogues/expired.crt" (CN=client expired 2020-02-01) has expired in ')


def test_harmless_directives_are_warned_about(run):
    done = run("-t", text="events {} http { sendfile on; gzip on; types { text/html html; } " + BLOCK + "}")
    assert done.returncode == 0 and "[warn]" in done.stderr and "sendfile" in done.stderr and "gzip" in done.stderr


def test_signals_by_s(run, gate, binary):
    def signal_it(name):
        return subprocess.run([binary, "-c", gate.config_path, "-p", gate.folder, "-g", f"pid {gate.pid_path};", "-s", name],
                              capture_output=True, text=True, timeout=WAIT)
    assert signal_it("reload").returncode == 0
    gate.logged("reconfiguring")
    assert signal_it("reopen").returncode == 0
    gate.logged("reopening logs")
    assert signal_it("quit").returncode == 0
    assert gate.process.wait(WAIT) == 0
    assert not gate.pid_path.exists()
    done = signal_it("quit")
    assert done.returncode == 1 and "failed (2: No such file or directory)" in done.stderr


def test_check_says_whether_the_gate_is_healthy(run, gate, binary):
    def check():
        return subprocess.run([binary, "-c", gate.config_path, "-p", gate.folder, "--check"], capture_output=True, timeout=WAIT)
    assert check().returncode == 0
    gate.stop()
    assert check().returncode == 1


def test_check_of_a_server_that_says_nothing_says_so(binary):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        done = subprocess.run([binary, "--check", "127.0.0.1:%d" % silent.getsockname()[1]], capture_output=True, text=True, timeout=WAIT)
    assert done.returncode == 1 and done.stderr == "portcullis: unhealthy: no answer within 5 seconds\n", done.stderr


def test_bad_configuration_at_reload_changes_nothing(gate):
    import signal
    gate.write("server { listn 443; }")
    gate.process.send_signal(signal.SIGHUP)
    gate.logged('unknown directive "listn"')
    gate.logged("the reload failed: the configuration before it serves on")
    assert gate.curl().status == 200


@pytest.mark.parametrize("broken", ["", "-----BEGIN CERTIFICATE-----\nMIIB\n"], ids=["empty", "half"])
def test_broken_ca_file_at_reload_keeps_the_old_check(proxy, upstream, certs, broken):
    import shutil
    import signal
    text = ARTICLE.replace("web_server:port", upstream.address).replace("{certs}/ca.crt", "{folder}/ca.crt")

    def copy(gate_folder):
        shutil.copy(certs / "ca.crt", gate_folder / "ca.crt")
    gate = proxy(text, prepare=copy)
    (gate.folder / "ca.crt").write_text(broken)
    gate.process.send_signal(signal.SIGHUP)
    gate.logged("[emerg]")
    assert gate.curl().status == 200
    assert gate.curl(cert=None).status == 403
    assert gate.curl(cert="other-ca").status == 403
