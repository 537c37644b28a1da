"""ssl_client_refuse and ssl_client_detail: how a client learns that it is refused."""
import re
import ssl
import subprocess

import pytest

from harness import WAIT, cert_path, key_path


@pytest.fixture
def gate(proxy, upstream):
    def make(how):
        return proxy("""server { listen {port} ssl; ssl_certificate {certs}/server.crt; ssl_certificate_key {certs}/server.key;
            ssl_client_certificate {certs}/ca.crt; ssl_verify_client on; ssl_client_deny cn 'client v1'; %s
            location / { proxy_pass http://%s; } }""" % (how, upstream.address))
    return make


def page(proxy, cert):
    with proxy.tls(cert) as c:
        answer = c.get(headers="Accept: application/json\r\n")
    assert answer.status == 403
    return {k: v for k, v in answer.json().items() if k not in ("status", "request_id")}


def test_off_says_nothing_of_the_reason_but_the_log_does(gate):
    proxy = gate("ssl_client_detail off;")
    assert page(proxy, None) == page(proxy, "expired") == page(proxy, "v1") == {}
    proxy.logged("refused: cert_missing")
    proxy.logged("refused: cert_expired: CN=client expired")


def test_code_is_the_default(gate):
    proxy = gate("")
    for cert, code in ((None, "cert_missing"), ("expired", "cert_expired"), ("v1", "not_permitted")):
        said = page(proxy, cert)
        assert said["reason"] == code and set(said) == {"reason", "message"}


def test_full_adds_what_the_log_says_for_who_has_shown_a_certificate(gate, certs):
    proxy = gate("ssl_client_detail full;")
    assert page(proxy, "expired")["detail"].startswith("CN=client expired 2020-02-01 expired 2020-02-01, issuer CN=my-ca")
    assert set(page(proxy, None)) == {"reason", "message"}
    # Whose rule it was is the operator's business.
    assert set(page(proxy, "v1")) == {"reason", "message"} and str(proxy.folder) not in str(page(proxy, "v1"))


@pytest.mark.parametrize("cert", [None, "expired", "v1"])
def test_close_answers_nothing(gate, upstream, cert):
    proxy = gate("ssl_client_refuse close; error_page 403 495 496 =200 https://elsewhere.test/;")
    with proxy.tls(cert) as c:
        c.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert c.is_closed()
    proxy.logged("client certificate refused: ")
    with proxy.tls("client") as c:
        assert c.get().status == 200
    assert upstream.accepted == 1


VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["tls12", "tls13"])
ALERTS = [  # certificate, reason, alert in TLS 1.2 and 1.3 (RFC 8446, 6)
    (None, "cert_missing", 40, 116), ("expired", "cert_expired", 45, 45), ("not-yet-valid", "cert_not_yet_valid", 42, 42),
    ("other-ca", "issuer_unknown", 48, 48), ("self-signed", "self_signed", 48, 48), ("eku-server", "eku_wrong", 43, 43),
    ("revoked", "cert_revoked", 44, 44), ("bad-signature", "signature_bad", 42, 42), ("not-a-ca", "not_a_ca", 46, 46)]


@VERSIONS
@pytest.mark.parametrize("cert, reason, old, new", ALERTS)
def test_alert_says_why_in_the_handshake(gate, certs, upstream, version, cert, reason, old, new):
    proxy = gate("ssl_client_refuse alert; ssl_crl {certs}/rogues/crl-chain.pem; ssl_crl_missing allow;")
    is_old = version == ssl.TLSVersion.TLSv1_2
    shown = ["-cert", cert_path(certs, cert), "-cert_chain", cert_path(certs, cert), "-key", key_path(certs, cert)] if cert else []
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.port}", "-tls1_2" if is_old else "-tls1_3",
                           "-ign_eof", *shown], input=b"GET / HTTP/1.0\r\n\r\n", capture_output=True, timeout=WAIT)
    said = done.stdout.decode() + done.stderr.decode()
    assert re.search(r"SSL alert number (\d+)", said)[1] == str(old if is_old else new), said
    assert "HTTP/1.1" not in said and upstream.accepted == 0
    proxy.logged(f"client certificate refused: {reason}")


@VERSIONS
def test_alert_is_for_certificates_and_a_rule_answers_403(gate, upstream, version):
    proxy = gate("ssl_client_refuse alert;")
    for cert, status in (("client", 200), ("v1", 403)):
        with proxy.tls(cert, version) as c:
            assert c.get().status == status
    assert upstream.accepted == 1
