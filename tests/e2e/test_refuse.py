"""ssl_client_refuse and ssl_client_detail: how a client learns that it is refused."""
import pytest


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
