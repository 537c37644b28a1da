"""ssl_client_allow and ssl_client_deny: who of those with a good certificate comes in."""
import hashlib
import subprocess
import time

import pytest

from harness import SLOWER


def der_of(path):
    return subprocess.run(["openssl", "x509", "-in", path, "-outform", "DER"], check=True, capture_output=True).stdout


@pytest.fixture
def gate(proxy, upstream):
    def make(rules, more="", **options):
        return proxy("""server { listen {port} ssl; ssl_certificate {certs}/server.crt; ssl_certificate_key {certs}/server.key;
            ssl_client_certificate {certs}/ca.crt; ssl_verify_client on; %s location / { proxy_pass http://%s; } %s }"""
                     % (rules, upstream.address, more.replace("UP", upstream.address)), **options)
    return make


def test_who_is_not_permitted_gets_no_further_and_the_log_names_the_rule(gate, upstream):
    proxy = gate("ssl_client_deny cn 'client v1';\n ssl_client_allow cn client*;\n")
    assert proxy.curl().status == 200
    answer = proxy.curl("-H", "Accept: application/json", cert="v1")
    assert answer.status == 403 and answer.json()["reason"] == "not_permitted"
    assert answer.headers["connection"] == "close" and answer.headers["cache-control"] == "no-store"
    line = proxy.logged("refused: not_permitted")
    assert "CN=client v1, issuer CN=my-ca, serial " in line and "by ssl_client_deny cn in " in line
    assert "portcullis.conf:2, client: 127.0.0.1" in line
    assert upstream.accepted == 1


def test_a_locations_rules_replace_the_servers(gate, upstream):
    proxy = gate("ssl_client_allow cn client;",
                 "location /staff { ssl_client_allow cn 'client good'; proxy_pass http://UP; }"
                 "location /all { ssl_client_allow any; proxy_pass http://UP; }"
                 "location /open { ssl_verify_client off; proxy_pass http://UP; }"
                 "location /to { rewrite ^/to(.*) $1 last; }")
    for path, cert, status in (("/", "client", 200), ("/", "good", 403), ("/staff", "client", 403), ("/staff", "good", 200),
                               ("/all", "client", 200), ("/all", "good", 200), ("/all", None, 403), ("/open", None, 200),
                               ("/open", "good", 200), ("/to/staff", "client", 403), ("/to/staff", "good", 403),
                               ("//staff", "client", 403), ("/x/../staff", "client", 403), ("/%73taff", "client", 403)):
        with proxy.tls(cert) as c:
            assert c.get(path).status == status, (path, cert)


def test_each_request_of_a_connection_is_asked(gate):
    proxy = gate("", "location /staff { ssl_client_deny any; proxy_pass http://UP; }")
    with proxy.tls() as c:
        assert [c.get(path).status for path in ("/", "/", "/staff")] == [200, 200, 403]


def test_the_anchor_is_meant_by_ca_and_the_intermediate_by_issuer(gate):
    proxy = gate("", "location /ca { ssl_client_allow ca my-ca; proxy_pass http://UP; }"
                     "location /issuer { ssl_client_allow issuer CN=my-intermediate; proxy_pass http://UP; }"
                     "location /not { ssl_client_allow ca my-intermediate; proxy_pass http://UP; }")
    for path, status in (("/ca", 200), ("/issuer", 200), ("/not", 403)):
        with proxy.tls("intermediate") as c:
            assert c.get(path).status == status, path


def test_a_pinned_certificate_needs_no_ca(gate, certs):
    pin = hashlib.sha256(der_of(certs / "rogues/self-signed.crt")).hexdigest()
    proxy = gate(f"ssl_client_allow sha256 {pin};", f"location /lax {{ ssl_verify_client optional_no_ca; proxy_pass http://UP; }}")
    for path, cert, status in (("/", "self-signed", 403), ("/lax", "self-signed", 200), ("/lax", "other-ca", 403), ("/lax", "client", 403),
                               ("/lax", None, 403)):
        with proxy.tls(cert) as c:
            assert c.get(path).status == status, (path, cert)


def test_a_list_of_a_million_fingerprints(gate, certs):
    def write(folder, *more):
        lines = [hashlib.sha256(b"%d" % i).hexdigest() for i in range(1_000_000)]
        (folder / "list").write_text("\n".join([*lines[:500_000], *more, *lines[500_000:]]) + "\n")
    mine = hashlib.sha256(der_of(certs / "client.crt")).hexdigest().upper()
    started = time.monotonic()
    proxy = gate("ssl_client_allow sha256 file:list;", prepare=lambda folder: write(folder, mine))
    assert time.monotonic() - started < 30 * SLOWER
    assert proxy.curl().status == 200 and proxy.curl(cert="good").status == 403
    write(proxy.folder)
    proxy.reload()
    assert proxy.curl().status == 403


def test_a_list_that_cannot_be_read_keeps_the_old_configuration(gate):
    proxy = gate("ssl_client_deny cn file:list;", prepare=lambda folder: (folder / "list").write_text("client good\n"))
    assert proxy.curl().status == 200 and proxy.curl(cert="good").status == 403
    (proxy.folder / "list").unlink()
    proxy.process.send_signal(1)
    proxy.logged("cannot read list")
    assert proxy.curl().status == 200 and proxy.curl(cert="good").status == 403
