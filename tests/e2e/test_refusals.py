"""The rogues' gallery, each on TLS 1.2 and 1.3: on a full handshake, a second request and a resumed session."""
import collections
import json
import pathlib
import ssl

import pytest

from harness import ARTICLE

ROGUES = pathlib.Path(__file__).resolve().parents[2] / "certs/rogues.tsv"
STATUS = {"ok": 200, "host_not_for_this_connection": 421}
Rogue = collections.namedtuple("Rogue", "name expected needs")


def rogues():
    for line in ROGUES.read_text().splitlines():
        if line and not line.startswith("#"):
            yield Rogue(*line.split("\t")[:3])


DIRECTIVES = {"crl": "ssl_crl {certs}/rogues/%s;", "depth": "ssl_verify_depth %s;", "deny": "ssl_client_deny %s;"}
OTHER_HOST = """server { listen {port} ssl; server_name %s; ssl_certificate {certs}/server.crt; ssl_certificate_key {certs}/server.key;
    ssl_client_certificate {certs}/rogues/self-signed.crt; ssl_verify_client on; return 204; }"""


def needs_of(rogue):
    return dict(n.split("=") for n in rogue.needs.split(",") if "=" in n)


def block_for(rogue, certs, upstream):
    needs = needs_of(rogue)
    more = "".join(text % needs[need] for need, text in DIRECTIVES.items() if need in needs)
    block = ARTICLE.replace("ssl_verify_client on;", "ssl_verify_client on; " + more).replace("web_server:port", upstream.address)
    if "host" in needs:
        block = "events {} http {" + block + OTHER_HOST % needs["host"] + "}"
    return block.replace("{certs}", str(certs)), "DEFAULT@SECLEVEL=0" if "seclevel" in needs else None


@pytest.fixture
def gallery(proxy, certs, upstream):
    gates = {}

    def gate_for(rogue):
        text, ciphers = block_for(rogue, certs, upstream)
        if text not in gates:
            gates[text] = proxy(text)
        return gates[text], ciphers

    return gate_for


def may_resume(rogue):
    """Where the handshake's server is not the one asked, it is its own verdict that counts for its session."""
    return rogue.expected in ("ok", "not_permitted", "host_not_for_this_connection")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["tls12", "tls13"])
def test_every_certificate_of_the_gallery_gets_its_verdict_each_time(gallery, upstream, version):
    """Only who was accepted resumes; a refusal closes, and comes back by another full handshake."""
    wrong = []
    for rogue in rogues():
        gate, ciphers = gallery(rogue)
        before = len(upstream.requests)
        try:
            again = None
            for connection in ("full", "resumed"):
                with gate.tls(rogue.name, version, ciphers=ciphers, again=again) as c:
                    for request in ("first", "second")[:2 if rogue.expected == "ok" else 1]:
                        answer = c.get(host=needs_of(rogue).get("host", "localhost"), headers="Accept: application/json\r\n")
                        got = "ok" if answer.status == 200 else json.loads(answer.body)["reason"]
                        if got != rogue.expected or answer.status != STATUS.get(got, 403):
                            wrong.append((rogue, connection, request, answer.status, got))
                    if again and c.sock.session_reused != may_resume(rogue):
                        wrong.append((rogue, "resumed" if c.sock.session_reused else "not resumed"))
                    again = c.sock.context, c.sock.session
                if got != "ok" and len(upstream.requests) > before:
                    wrong.append((rogue, connection, "reached the upstream"))
        except (OSError, EOFError) as e:
            wrong.append((rogue, repr(e)))
    assert not wrong, "\n".join(map(str, wrong))


def test_accepted_client_is_accepted_again_on_its_connection(gate, upstream):
    with gate.tls() as c:
        assert [c.get().status for _ in range(3)] == [200, 200, 200]
    assert upstream.accepted >= 1


@pytest.mark.parametrize("accept, kind", [
    ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html"), ("application/json", "application/json"),
    ("*/*", "text/plain"), (None, "text/plain")])
def test_refusal_speaks_what_the_client_reads(gate, accept, kind):
    with gate.tls(None) as c:
        answer = c.get(headers=f"Accept: {accept}\r\n" if accept else "")
        assert answer.status == 403
        assert answer.headers["content-type"].startswith(kind)
        assert b"cert_missing" in answer.body
        assert c.is_closed()


def test_refusal_carries_the_request_id_that_the_access_log_has(proxy, upstream):
    gate = proxy("events {} http { log_format f '$status $request_id $ssl_client_refusal'; access_log {folder}/access.log f; "
                 + ARTICLE.replace("web_server:port", upstream.address) + "}")
    with gate.tls(None) as c:
        answer = c.get(headers="Accept: application/json\r\n")
    gate.stop()
    status, request_id, refusal = (gate.folder / "access.log").read_text().split()
    assert (status, refusal) == ("403", "cert_missing")
    assert request_id in answer.body.decode()


def test_body_of_a_refused_client_is_not_asked_for(gate, upstream):
    with gate.tls(None) as c:
        c.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n")
        line, status, _, _ = c.head()
        assert status == 403
    assert upstream.accepted == 0


def test_refused_upload_still_reads_its_403(gate):
    answer = gate.curl("--data-binary", f"@{gate.binary}", "-H", "Expect:", cert=None)
    assert answer.status == 403, answer


def test_error_page_of_403_and_495_and_496_can_be_replaced_but_lead_to_no_upstream(proxy, upstream):
    block = ARTICLE.replace("web_server:port", upstream.address).replace(
        "location / {", """error_page 495 496 403 /refused;
        location = /refused { return 403 "no entry: $ssl_client_refusal"; }
        location / {""")
    gate = proxy(block)
    answer = gate.curl(cert=None)
    assert (answer.status, answer.body) == (403, b"no entry: cert_missing")
    answer = gate.curl(cert="other-ca")
    assert (answer.status, answer.body) == (403, b"no entry: issuer_unknown")
    assert upstream.accepted == 0


@pytest.mark.parametrize("page", ["error_page 403 495 496 = @app;", "error_page 403 495 496 =200 /app;"])
def test_refusal_stays_a_refusal_when_error_page_names_a_proxied_location(proxy, upstream, page):
    gate = proxy(ARTICLE.replace("location / {", page + """
        location @app { proxy_pass http://web_server:port; }
        location /app { proxy_pass http://web_server:port; }
        location / {""").replace("web_server:port", upstream.address))
    answer = gate.curl(cert=None)
    assert answer.status == 403, answer
    assert upstream.accepted == 0


@pytest.mark.parametrize("mode, cert, status, verify", [
    ("optional", None, 200, "NONE"), ("optional", "client", 200, "SUCCESS"), ("optional", "expired", 403, None),
    ("optional", "other-ca", 403, None), ("optional_no_ca", None, 200, "NONE"),
    ("optional_no_ca", "client", 200, "SUCCESS"), ("optional_no_ca", "other-ca", 200, "FAILED:"),
    ("optional_no_ca", "self-signed", 200, "FAILED:"), ("optional_no_ca", "expired", 403, None),
    ("optional_no_ca", "self-signed-expired", 403, None), ("optional_no_ca", "other-ca-expired", 403, None),
    ("off", "client", 200, "NONE"), ("off", None, 200, "NONE")])
def test_modes_of_ssl_verify_client(proxy, upstream, mode, cert, status, verify):
    gate = proxy("""
        server {
            listen {port} ssl;
            ssl_certificate {certs}/server.crt; ssl_certificate_key {certs}/server.key;
            ssl_client_certificate {certs}/ca.crt; ssl_verify_client %s;
            location / { proxy_set_header X-Verify $ssl_client_verify; proxy_pass http://%s; }
        }""" % (mode, upstream.address))
    answer = gate.curl(cert=cert)
    assert answer.status == status, answer
    if verify:
        assert dict(answer.json()["headers"])["X-Verify"].startswith(verify)
    else:
        assert upstream.accepted == 0


def test_the_articles_if_guards_optional(proxy, upstream):
    gate = proxy(ARTICLE.replace("ssl_verify_client on", "ssl_verify_client optional").replace(
        "web_server:port", upstream.address))
    answer = gate.curl(cert=None)
    assert answer.status == 403
    assert upstream.accepted == 0
    assert gate.curl().status == 200
