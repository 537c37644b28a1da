"""What the operator may change in how a chain is judged: intermediates, partial chains, revocation lists."""
import subprocess

import pytest

BLOCK = """server { listen {port} ssl; ssl_certificate {certs}/server.crt; ssl_certificate_key {certs}/server.key;
    ssl_client_certificate %s; ssl_verify_client on; %s
    location / { proxy_pass http://%s; } }"""
CA = "{certs}/ca.crt"

ROWS = [  # CA file, directives, certificate, status, reason
    (CA, "", "intermediate-missing", 403, "issuer_unknown"),
    (CA, "ssl_client_intermediates {certs}/issuer.crt;", "intermediate-missing", 200, None),
    (CA, "ssl_client_intermediates {certs}/rogues/self-signed.crt;", "self-signed", 403, "self_signed"),
    ("{certs}/issuer.crt", "", "intermediate-missing", 403, "issuer_unknown"),
    ("{certs}/issuer.crt", "ssl_client_partial_chain on;", "intermediate-missing", 200, None),
    (CA, "ssl_crl {certs}/rogues/crl-expired.pem;", "good", 403, "crl_expired"),
    (CA, "ssl_crl {certs}/rogues/crl-expired.pem; ssl_crl_grace 10000d;", "good", 200, None),
    (CA, "ssl_crl {certs}/rogues/crl-other-ca.pem;", "good", 403, "crl_missing"),
    (CA, "ssl_crl {certs}/rogues/crl-other-ca.pem; ssl_crl_missing allow;", "good", 200, None),
    (CA, "ssl_crl {certs}/rogues/crl.pem; ssl_crl_missing allow;", "revoked", 403, "cert_revoked"),
    (CA, "ssl_crl {certs}/two-lists.der;", "revoked", 403, "cert_revoked"),
    (CA, "ssl_crl {certs}/two-lists.der;", "good", 200, None),
    (CA, "ssl_crl {certs}/rogues/crl-intermediate.pem;", "intermediate", 403, "cert_revoked"),
    (CA, "ssl_crl {certs}/rogues/crl-intermediate.pem; ssl_crl_check leaf;", "intermediate", 200, None),
]


@pytest.fixture(scope="module")
def issuer(certs):
    """The intermediate that 'intermediate-missing' does not send, on its own."""
    blocks = (certs / "rogues/intermediate.chain.crt").read_text().split("-----BEGIN CERTIFICATE-----")
    (certs / "issuer.crt").write_text("-----BEGIN CERTIFICATE-----" + blocks[2])


@pytest.fixture(scope="module")
def lists(certs):
    """Two revocation lists in DER, one after the other."""
    (certs / "two-lists.der").write_bytes(b"".join(subprocess.run(
        ["openssl", "crl", "-outform", "DER", "-in", certs / "rogues" / name], check=True, capture_output=True).stdout
        for name in ("crl-other-ca.pem", "crl.pem")))


@pytest.mark.parametrize("ca,more,cert,status,reason", ROWS)
def test_a_client_is_judged_by(proxy, upstream, issuer, lists, ca, more, cert, status, reason):
    gate = proxy(BLOCK % (ca, more, upstream.address))
    with gate.tls(cert) as c:
        answer = c.get(headers="Accept: application/json\r\n")
    assert answer.status == status
    assert reason is None or answer.json()["reason"] == reason


def test_a_list_cut_off_is_an_error_that_names_it(proxy, lists, certs, binary):
    (certs / "cut.der").write_bytes((certs / "two-lists.der").read_bytes()[:-1])
    gate = proxy(BLOCK % (CA, "ssl_crl {certs}/cut.der;", "127.0.0.1:1"), wait=False)
    assert gate.process.wait(20) == 1
    assert "number 2 in it cannot be used: the DER is cut off or damaged (ssl_crl)" in gate.said()


def test_a_list_out_of_date_is_told_of_at_start(proxy, upstream):
    gate = proxy(BLOCK % (CA, "ssl_crl {certs}/rogues/crl-expired.pem;", upstream.address))
    assert "crl-expired.pem\" expired" in gate.said() and "refused until it is replaced" in gate.said()
    gate = proxy(BLOCK % (CA, "ssl_crl {certs}/rogues/crl-expired.pem; ssl_crl_grace 10000d;", upstream.address))
    assert "counts until ssl_crl_grace is over" in gate.said()
