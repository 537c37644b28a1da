"""ssl_verify_client by location, and `report`: who reaches the upstream, by every way into a location."""
import ssl

import pytest

from harness import header_values


@pytest.fixture
def gate(proxy, upstream, scripted_upstream):
    def redirecting(c):
        c.until(b"\r\n\r\n")
        c.send(b"HTTP/1.1 200 OK\r\nX-Accel-Redirect: /admin/x\r\nContent-Length: 0\r\n\r\n")
    other = scripted_upstream(redirecting)
    return proxy("""events {} http { underscores_in_headers on;
        log_format short '$uri $status [$ssl_client_refusal] $ssl_client_verify'; access_log {folder}/access.log short;
        server { listen {port} ssl; server_name localhost; ssl_certificate {certs}/server.crt; ssl_certificate_key {certs}/server.key;
            ssl_client_certificate {certs}/ca.crt; proxy_set_header X-Who $ssl_client_s_dn; proxy_set_header X-Uri $uri;
            set $kept $ssl_client_s_dn; set $mine ''; proxy_set_header X-Kept $kept; proxy_set_header X-Mine $mine;
            proxy_client_identity ingress-nginx; rewrite ^/inner$ /admin/inner;
            location / { proxy_pass http://UP; }
            location /admin { ssl_verify_client on; proxy_pass http://UP; }
            location /admin/public { ssl_verify_client off; proxy_pass http://UP; }
            location /report { ssl_verify_client report; proxy_pass http://UP; }
            location /accel { proxy_pass http://OTHER; }
            location /wrong { error_page 418 = @admin; return 418; }
            location @admin { ssl_verify_client on; proxy_pass http://UP; }
            location /help-me { ssl_verify_client on; error_page 403 /help; proxy_pass http://UP; }
            location /help { set $mine $ssl_client_s_dn; proxy_pass http://UP; }
            location /upload { ssl_verify_client on; client_max_body_size 10; proxy_pass http://UP; }
        }
        server { listen {port} ssl; server_name closed.test; ssl_certificate {certs}/server.crt; ssl_certificate_key {certs}/server.key;
            ssl_client_certificate {certs}/ca.crt; ssl_verify_client on;
            location / { proxy_pass http://UP; }
            location = /healthz { ssl_verify_client off; proxy_pass http://UP; }
        }
        server { listen {port2} ssl; server_name asks.test; ssl_certificate {certs}/server.crt; ssl_certificate_key {certs}/server.key;
            location / { proxy_pass http://UP; } } }""".replace("UP", upstream.address).replace("OTHER", other.address))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("path, cert, status", [
    ("/", None, 200), ("/", "client", 200), ("/", "expired", 200),
    ("/admin", None, 403), ("/admin", "expired", 403), ("/admin", "self-signed", 403), ("/admin", "client", 200),
    ("/admin/x", None, 403), ("/ADMIN", None, 200), ("//admin", None, 403), ("/./admin", None, 403), ("/x/../admin", None, 403),
    ("/%61dmin", None, 403), ("/admin%2Fpublic", None, 200), ("/admin/public/../x", None, 403), ("/inner", None, 403),
    ("/admin/public", None, 200), ("/report", None, 200), ("/report", "expired", 200), ("/report", "client", 200),
    ("/accel", None, 403), ("/wrong", None, 403), ("/wrong", "client", 200), ("/help-me", None, 403),
    ("/", "self-signed", 200), ("/admin/public", "self-signed", 200), ("/help-me", "self-signed", 403),
])
def test_each_location_asks_for_itself(gate, upstream, version, path, cert, status):
    with gate.tls(cert, version=version) as c:
        answer = c.get(path)
    assert answer.status == status, answer
    reached = status == 200 or path == "/help-me"  # an open location answers for it
    assert len(upstream.requests) == (1 if reached else 0)
    if reached and cert != "client":
        assert header_values(upstream.requests[0], "ssl-client-verify") == []
        # Nobody vouches for the name in it.
        assert header_values(upstream.requests[0], "X-Who") == [] or path == "/report"
        assert [header_values(upstream.requests[0], name) for name in ("X-Kept", "X-Mine")] == [[], []]


def test_the_same_connection_is_judged_anew_for_each_request(gate):
    with gate.tls(None) as c:
        assert [c.get(path).status for path in ("/", "/admin/public", "/report", "/", "/admin")] == [200, 200, 200, 200, 403]
        assert c.is_closed()
    with gate.tls("client") as c:
        for _ in range(3):
            assert [c.get(path).status for path in ("/", "/admin", "/report")] == [200, 200, 200]


def test_one_open_location_in_a_closed_server(gate, upstream):
    for path, cert, status in (("/healthz", None, 200), ("/healthz", "expired", 200), ("/healthz/", None, 403), ("/", None, 403),
                               ("/", "client", 200), ("/healthz?x", None, 200), ("/HEALTHZ", None, 403)):
        with gate.tls(cert, server_name="closed.test") as c:
            assert c.get(path, host="closed.test").status == status, (path, cert)


@pytest.mark.parametrize("host", ["closed.test", "CLOSED.test.", "closed.test:443"])
def test_host_of_another_server_is_judged_by_its_location_too(gate, upstream, host):
    with gate.tls("client") as c:
        assert c.get("/healthz", host=host).status == 200
        assert header_values(upstream.requests[0], "X-Who") == []
        assert c.get("/", host=host).status == 421
    assert len(upstream.requests) == 1


def test_report_tells_the_log_what_on_would_have_done(gate, upstream):
    with gate.tls(None) as c:
        assert c.get("/report").status == 200
    with gate.tls("expired") as c:
        assert c.get("/report").status == 200
    with gate.tls("client") as c:
        assert c.get("/report").status == 200
    assert "client certificate would be refused: cert_missing" in gate.logged("cert_missing")
    assert "client certificate would be refused: cert_expired: CN=client expired" in gate.logged("cert_expired")
    lines = (gate.folder / "access.log").read_text().splitlines()
    assert lines == ["/report 200 [cert_missing] NONE", "/report 200 [cert_expired] FAILED:certificate has expired",
                     "/report 200 [-] SUCCESS"]
    assert [header_values(r, "ssl-client-verify") for r in upstream.requests] == [[], [], ["SUCCESS"]]


def test_the_check_comes_before_the_body(gate, upstream):
    with gate.tls(None) as c:
        c.send("POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n")
        assert c.answer("POST", informational=True).status == 403
    assert upstream.accepted == 0


def test_a_malformed_request_gets_to_no_upstream(gate, upstream):
    with gate.tls(None) as c:
        c.send("GET /admin HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        assert c.answer().status == 400
    assert upstream.accepted == 0
