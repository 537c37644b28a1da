"""A session that is resumed is worth what a full handshake would be: who the client is, judged anew."""
import os
import shutil
import signal
import socket
import ssl
import subprocess

import pytest

from harness import WAIT, Connection, cert_path, free_port, key_path, wait_until

VERSIONS = [pytest.param(ssl.TLSVersion.TLSv1_2, id="1.2"), pytest.param(ssl.TLSVersion.TLSv1_3, id="1.3")]

TLS = "ssl_certificate {certs}/server.crt; ssl_certificate_key {certs}/server.key; "
ASKS = TLS + "ssl_client_certificate {certs}/ca.crt; ssl_verify_client on; "
ANSWER = """location / { return 200 "$ssl_session_reused $ssl_client_verify $ssl_client_s_dn $ssl_client_proved_at"; } """


def server(tls=ASKS, more=""):
    return "server { listen {port} ssl; %s%s%s }" % (tls, more, ANSWER)


def reload(gate, text=None):
    """Until the old workers take no connections any more."""
    before = gate.log().count("gracefully shutting down")
    gate.reload(text)
    wait_until(lambda: gate.log().count("gracefully shutting down") > before, "the end of the old workers")


class Client:
    """One client's memory of a session."""

    def __init__(self, gate, version, cert="client"):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.check_hostname = False
        self.context.verify_mode = ssl.CERT_NONE
        self.context.minimum_version = self.context.maximum_version = version
        if cert:
            self.context.load_cert_chain(cert_path(gate.certs, cert), key_path(gate.certs, cert))
        self.port, self.session, self.reused = gate.port, None, None

    def get(self, name="localhost", port=None, headers=""):
        """The answer of a new connection, which resumes when it can."""
        raw = socket.create_connection(("127.0.0.1", port or self.port), timeout=WAIT)
        with Connection(self.context.wrap_socket(raw, server_hostname=name, session=self.session)) as c:
            answer = c.get(host=name, headers="Accept: application/json\r\n" + headers)
            self.session, self.reused = c.sock.session, c.sock.session_reused
            return answer


@pytest.mark.parametrize("version", VERSIONS)
def test_a_resumed_session_knows_its_client(proxy, version):
    client = Client(proxy(server(), workers=2), version)
    first = client.get().body
    assert first.startswith(b". SUCCESS CN=client 20") and not client.reused
    for _ in range(4):  # also by tickets of resumed sessions
        assert client.get().body == b"r" + first[1:] and client.reused


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("tls,cert,verify", [
    (ASKS, None, None), (ASKS, "self-signed", None),
    (ASKS.replace("client on", "client optional"), None, b"NONE"),
    (ASKS.replace("client on", "client optional_no_ca"), "self-signed", b"FAILED"),
    (ASKS.replace("client on", "client report"), "expired", b"FAILED"),
])
def test_a_session_without_an_accepted_certificate_is_not_resumed(proxy, version, tls, cert, verify):
    client = Client(proxy(server(tls)), version, cert)
    for _ in range(2):
        answer = client.get()
        assert not client.reused and not client.session.has_ticket
        assert answer.status == (200 if verify else 403) and (not verify or answer.body.startswith(b". " + verify))


@pytest.mark.parametrize("version", VERSIONS)
def test_ssl_handshake_rate_sheds_full_handshakes_and_lets_resumptions_in(proxy, version):
    gate = proxy(server(), main="ssl_handshake_rate 2;")
    client, shed = Client(gate, version), 0
    assert client.get().status == 200
    for _ in range(50):
        try:
            assert Client(gate, version).get().status == 200
        except (ssl.SSLError, ConnectionResetError):
            shed += 1
        if not shed:
            continue
        assert client.get().status == 200 and client.reused
        break
    assert shed
    gate.logged("TLS handshake shed: more than ssl_handshake_rate 2 while SSL handshaking, client: 127.0.0.1")
    gate.logged("TLS handshake failed: shed: more full handshakes than ssl_handshake_rate")
    wait_until(lambda: is_served(gate, version), "a second later")


def is_served(gate, version):
    try:
        return Client(gate, version).get().status == 200
    except (ssl.SSLError, ConnectionResetError):
        return False


@pytest.mark.parametrize("version", VERSIONS)
def test_where_nobody_asks_for_certificates_everybody_resumes(proxy, version):
    client = Client(proxy(server(TLS)), version, None)
    assert client.get().body.startswith(b". NONE") and client.get().body.startswith(b"r NONE")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_revoked_while_it_holds_a_ticket_is_refused(proxy, version):
    gate = proxy(server())
    revoked, good = Client(gate, version, "revoked"), Client(gate, version, "good")
    for client in (revoked, good):
        client.get()
        assert client.get().status == 200 and client.reused
    reload(gate, server(more="ssl_crl {certs}/rogues/crl.pem; "))
    answer = revoked.get()
    assert answer.status == 403 and answer.json()["reason"] == "cert_revoked" and not revoked.reused
    assert good.get().status == 200 and good.reused  # only who is meant pays for it


@pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed")
def test_nginx_lets_the_revoked_client_in(proxy, certs, tmp_path):
    """The hole that is closed here, so that the test above is known to look at it."""
    port, conf = free_port(), tmp_path / "nginx.conf"

    def write(more):
        block = server(more=more + "ssl_session_tickets off; ssl_session_cache shared:s:1m; ").replace("{port}", f"127.0.0.1:{port}")
        block = block.replace("{certs}", str(certs)).replace(" $ssl_client_proved_at", "")
        conf.write_text(f"daemon off; pid {tmp_path}/nginx.pid; error_log {tmp_path}/nginx.log notice;"
                        "events {} http { access_log off; %s }" % block)

    write("")
    nginx = subprocess.Popen(["nginx", "-c", str(conf), "-p", str(tmp_path), "-e", str(tmp_path / "nginx.log")])
    try:
        wait_until(lambda: (tmp_path / "nginx.pid").exists(), "nginx")
        log = tmp_path / "nginx.log"
        client = Client(proxy(server()), ssl.TLSVersion.TLSv1_2, "revoked")
        client.get(port=port)
        write("ssl_crl {certs}/rogues/crl.pem; ")
        nginx.send_signal(signal.SIGHUP)
        wait_until(lambda: "gracefully shutting down" in log.read_text(), "the reload")
        assert client.get(port=port).body.startswith(b"r SUCCESS CN=client revoked")
    finally:
        nginx.terminate()
        nginx.wait(WAIT)


@pytest.mark.parametrize("version", VERSIONS)
def test_another_ca_set_or_certificate_makes_a_full_handshake(proxy, version):
    other = "ssl_client_certificate {certs}/both.crt; ssl_verify_client on; "
    gate = proxy(server(), prepare=lambda folder: None)
    both = gate.certs / "both.crt"
    both.write_text((gate.certs / "ca.crt").read_text() + (gate.certs / "rogues/self-signed.crt").read_text())
    client = Client(gate, version)
    client.get()
    assert client.get().status == 200 and client.reused
    reload(gate, server(TLS + other))
    assert client.get().body.startswith(b". SUCCESS") and not client.reused


@pytest.mark.parametrize("version", VERSIONS)
def test_a_ticket_counts_for_its_server_name_alone(proxy, version):
    """RFC 6066, 3; and no server's check of clients is passed by a session of another's (CVE-2025-23419)."""
    gate = proxy(server(TLS, "server_name open.test; ") + server(ASKS, "server_name closed.test; ") +
                 server(ASKS.replace("ca.crt", "rogues/self-signed.crt"), "server_name other.test; "))
    nobody, client = Client(gate, version, None), Client(gate, version)
    nobody.get("open.test")
    client.get("closed.test")
    assert nobody.get("open.test").status == 200 and nobody.reused
    kept = client.session
    for name, status in (("other.test", 403), ("open.test", 200)):
        client.session = kept
        assert client.get(name).status == status and not client.reused
    nobody.get("open.test")
    assert nobody.get("closed.test").status == 403 and not nobody.reused
    # Whom the session was resumed for is whom it may speak of.
    client.session = kept
    assert client.get("closed.test", headers="X: 1\r\n").status == 200 and client.reused


@pytest.mark.parametrize("version", VERSIONS)
def test_a_ticket_counts_for_no_other_name_of_its_server(proxy, version):
    gate = proxy(server(ASKS, "server_name a.test b.test; "))
    client = Client(gate, version)
    client.get("a.test")
    kept = client.session
    assert client.get("a.test").status == 200 and client.reused
    client.session = kept
    assert client.get("b.test").status == 200 and not client.reused


@pytest.mark.parametrize("version", VERSIONS)
def test_own_keys_outlive_reloads_and_workers(proxy, version):
    gate = proxy(server(), workers=2)
    client = Client(gate, version)
    client.get()
    reload(gate)
    assert client.get().status == 200 and client.reused
    victims = wait_until(lambda: len(gate.workers()) == 2 and gate.workers(), "two workers")
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(gate.workers()) == 2 and not set(victims) & set(gate.workers()), "new workers")
    assert client.get().status == 200 and client.reused


@pytest.mark.parametrize("version", VERSIONS)
def test_hosts_share_sessions_by_a_key_file(proxy, tmp_path, version):
    (tmp_path / "old.key").write_bytes(os.urandom(48))
    (tmp_path / "new.key").write_bytes(os.urandom(80))
    old, new = (f"ssl_session_ticket_key {tmp_path}/{name}.key; " for name in ("old", "new"))
    one, two, three = proxy(server(more=old)), proxy(server(more=new + old)), proxy(server(more=new))
    client = Client(one, version)
    client.get()
    assert client.get(port=two.port).status == 200 and client.reused
    if version == ssl.TLSVersion.TLSv1_3:  # TLS 1.2 gives no new ticket to who resumes
        assert client.get(port=three.port).status == 200 and client.reused
    client.session = None
    client.get(port=one.port)
    assert client.get(port=three.port).status == 200 and not client.reused


def test_a_key_file_of_another_size_is_an_error(proxy, tmp_path):
    (tmp_path / "bad.key").write_bytes(b"x" * 50)
    gate = proxy(server(more=f"ssl_session_ticket_key {tmp_path}/bad.key; "), wait=False)
    assert gate.process.wait(WAIT) == 1
    assert 'bad.key" has 50 octets, must have 48 or 80: write it by openssl rand 80' in gate.said()


@pytest.mark.parametrize("version", VERSIONS)
def test_tickets_off_resumes_nothing(proxy, version):
    client = Client(proxy(server(more="ssl_session_tickets off; ")), version)
    for _ in range(2):
        assert client.get().body.startswith(b". SUCCESS")
        assert not client.reused and not client.session.has_ticket


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("cache", ["shared:a:1m", "builtin", "builtin:100 shared:b:32k"])
def test_a_cache_keeps_what_clients_do_not(proxy, version, cache):
    gate = proxy(server(more=f"ssl_session_tickets off; ssl_session_cache {cache}; "), workers=2)
    client, revoked = Client(gate, version), Client(gate, version, "revoked")
    client.get(), revoked.get()
    for _ in range(3):
        assert client.get().body.startswith(b"r SUCCESS CN=client") and client.reused
    assert revoked.get().status == 200 and revoked.reused
    reload(gate, server(more=f"ssl_session_tickets off; ssl_session_cache {cache}; ssl_crl {{certs}}/rogues/crl.pem; "))
    assert client.get().body.startswith(b"r SUCCESS CN=client") and client.reused
    assert revoked.get().json()["reason"] == "cert_revoked" and not revoked.reused


def test_a_client_without_tickets_resumes_by_its_session_id(proxy, tmp_path):
    gate, session = proxy(server(more="ssl_session_cache shared:a:1m; ")), tmp_path / "session.pem"
    first = s_client(gate, "-tls1_2", "-no_ticket", "-sess_out", session)
    assert "New, TLSv1" in first and "TLS session ticket:" not in first
    again = s_client(gate, "-tls1_2", "-no_ticket", "-sess_in", session, cert=None)
    assert "Reused, TLSv1" in again and "r SUCCESS CN=client" in again
    # and a session that nobody accepted is none
    s_client(gate, "-tls1_2", "-no_ticket", "-sess_out", session, cert=None)
    assert "New, TLSv1" in s_client(gate, "-tls1_2", "-no_ticket", "-sess_in", session, cert=None)


@pytest.mark.parametrize("value,problem", [
    ("shared:a", "write shared:NAME:SIZE"), ("shared:a:1k", "takes 32k or more"), ("on", "write off, none"),
    ("builtin:1", "takes a number of sessions"), ("none shared:a:1m", "write off, none"),
    ("shared:a:1m; server { ssl_session_cache shared:a:2m; } server_tokens off", "conflicts with already declared size 1048576")])
def test_a_cache_that_cannot_be_is_an_error(proxy, value, problem):
    gate = proxy("events {} http { ssl_session_cache %s; }" % value, wait=False)
    assert gate.process.wait(WAIT) == 1 and problem in gate.said()


def s_client(gate, version, *more, cert="client", text=b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n"):
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{gate.port}", version, "-CAfile", gate.certs / "ca.crt",
               "-ign_eof", *more]
    if cert:
        command += ["-cert", gate.certs / f"{cert}.crt", "-key", gate.certs / f"{cert}.key"]
    done = subprocess.run(command, input=text, capture_output=True, timeout=WAIT)
    return done.stdout.decode(errors="replace")


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssl_resumes_from_a_file_and_other_suites_make_a_full_handshake(proxy, tmp_path, version):
    gate, session = proxy(server()), tmp_path / "session.pem"
    assert "New, TLSv1" in s_client(gate, version, "-sess_out", session)
    again = s_client(gate, version, "-sess_in", session, cert=None)
    assert "Reused, TLSv1" in again and "r SUCCESS CN=client" in again
    if version == "-tls1_2":
        other = s_client(gate, version, "-sess_in", session, "-cipher", "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384")
        assert "New, TLSv1" in other and ". SUCCESS CN=client" in other
    else:  # after a HelloRetryRequest, too
        retried = s_client(gate, version, "-sess_in", session, "-groups", "X448:P-384", cert=None)
        assert "Reused, TLSv1" in retried and "r SUCCESS CN=client" in retried


def test_early_data_is_never_offered_nor_taken(proxy, tmp_path):
    gate, session, early = proxy(server()), tmp_path / "session.pem", tmp_path / "early"
    early.write_text("GET /early HTTP/1.0\r\nHost: localhost\r\n\r\n")
    first = s_client(gate, "-tls1_3", "-sess_out", session)
    assert "Max Early Data: 0" in first
    assert "Early data was not sent" in s_client(gate, "-tls1_3", "-sess_in", session, "-early_data", early)


def test_renegotiation_is_refused(gate):
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{gate.port}", "-tls1_2", "-legacy_renegotiation",
                           "-cert", gate.certs / "client.crt", "-key", gate.certs / "client.key"],
                          input=b"R\n", capture_output=True, timeout=WAIT)
    assert b"RENEGOTIATING" in done.stdout + done.stderr
    assert b"no renegotiation" in done.stderr or b"error" in done.stderr.lower(), done.stderr
