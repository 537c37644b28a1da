"""Identity headers that clients send never reach the upstream, in any spelling, on any listener."""
import pytest

from harness import header_values

# One name of each family, and prefixes with an ending of our own.
NAMES = """Client-Cert Client-Cert-Chain X-SSL-Client-Cert X-SSL-Whatever X-Client-Cert X-Client-Cert-Chain X-Client-DN
X-Client-CN X-Client-Verify X-Client-Serial X-Client-Fingerprint X-Client-Issuer X-Client-Subject SSL-Client-Cert
SSL-Client-Verify SSL-Cert SSL-Certificate Cert-Chain Cert-Chain-1 X-Forwarded-Client-Cert X-Forwarded-Tls-Client-Cert
X-Forwarded-Tls-Client-Cert-Info X-Amzn-Mtls-Clientcert X-Client-Cert-Present X-ARR-ClientCert X-ARR-SSL
Cf-Client-Cert-Sha256 Cf-Cert-Revoked X-Remote-User X-Remote-Group X-Remote-Extra-scopes X-Forwarded-User
X-Forwarded-Groups X-Forwarded-Email X-Auth-Request-User Remote-User X-Portcullis-Anything Proxy""".split()


def spellings(name):
    yield name
    yield name.upper()
    yield name.lower()
    yield name.replace("-", "_")
    yield name.replace("-", "_", 1)


@pytest.fixture
def both(proxy, upstream):
    return proxy("""
        events {} http { underscores_in_headers on;
        server {
            listen {port} ssl; listen {port2};
            ssl_certificate {certs}/server.crt; ssl_certificate_key {certs}/server.key;
            ssl_client_certificate {certs}/ca.crt; ssl_verify_client on;
            location / { proxy_pass http://%s; }
            set $role none;
            if ($ssl_client_s_dn = CN=client) { set $role admin; }
            location /set {
                proxy_set_header X-Role $role;
                proxy_set_header X-My-Identity $ssl_client_s_dn;
                proxy_set_header X-Client-Verify $ssl_client_verify;
                proxy_set_header Y-Plain ours;
                proxy_pass http://%s;
            }
        } }""" % (upstream.address, upstream.address))


@pytest.mark.parametrize("listener", ["tls", "plain"])
def test_every_family_is_removed_in_every_spelling(both, upstream, listener):
    connection = both.tls() if listener == "tls" else both.plain(both.ports[1])
    fields = "".join(f"{s}: forged\r\n" for name in NAMES for s in spellings(name))
    with connection as c:
        for half in (fields[:len(fields) // 2].rsplit("\r\n", 1)[0] + "\r\n", fields[len(fields) // 2:].split("\r\n", 1)[1]):
            answer = c.get(headers=half + "X-Kept: yes\r\n")
            assert answer.status == 200, answer
            seen = answer.json()
            assert [f for f in seen["headers"] if f[1] == "forged"] == []
            assert header_values(seen, "X-Kept") == ["yes"]


def test_a_certificate_that_nginx_would_fold_comes_on_one_line(proxy, upstream, certs):
    """As whoever reads folded lines makes it (RFC 9112, 5.2); Puma and Node refuse the folded ones."""
    gate = proxy("""events {} http { server { listen {port} ssl; ssl_certificate {certs}/server.crt;
        ssl_certificate_key {certs}/server.key; ssl_client_certificate {certs}/ca.crt; ssl_verify_client on;
        location / { proxy_set_header X-Cert $ssl_client_cert; proxy_set_header X-Raw $ssl_client_raw_cert;
        proxy_set_header X-Uri $uri; proxy_pass http://%s; } } }""" % upstream.address)
    pem = (certs / "client.crt").read_text()
    pem = pem[pem.index("-----BEGIN"):].strip()
    with gate.tls() as c:
        seen = c.get("/a%0d%0aX-Raw:%20forged").json()
    assert header_values(seen, "X-Cert") == [" ".join(pem.split("\n"))]
    assert header_values(seen, "X-Raw") == header_values(seen, "X-Uri") == []
    gate.logged('proxy_set_header "X-Uri" left out: its value is no header value')


def test_connection_cannot_name_a_header_that_we_set(both):
    with both.tls() as c:
        seen = c.get("/set", headers="Connection: keep-alive, X-My-Identity, X-Client-Verify\r\n").json()
    assert header_values(seen, "X-My-Identity") == ["CN=client"]
    assert header_values(seen, "X-Client-Verify") == ["SUCCESS"]


def test_twins_of_any_other_header_that_we_set_are_replaced_too(both):
    with both.tls() as c:
        seen = c.get("/set", headers="Y_Plain: forged\r\ny-plain: forged\r\nY_Other: kept\r\n").json()
    assert [f[1] for f in seen["headers"] if f[0].lower().replace("_", "-") == "y-plain"] == ["ours"]
    assert header_values(seen, "Y_Other") == ["kept"]


def test_twins_of_a_header_that_we_set_are_removed(both):
    with both.tls() as c:
        seen = c.get("/set", headers="x_my_identity: CN=root\r\nX-MY-IDENTITY: CN=root\r\nX_My-Identity: CN=root\r\n").json()
    assert [v for n, v in seen["headers"] if n.replace("_", "-").lower() == "x-my-identity"] == ["CN=client"]


def test_what_one_location_sets_no_client_sends_anywhere(both):
    """The location that forgets a proxy_set_header, and the listener that nobody thought of."""
    fields = "X-My-Identity: CN=root\r\nx_my_identity: CN=root\r\nX-Role: CN=root\r\nX-Kept: yes\r\n"
    with both.tls() as tls, both.plain(both.ports[1]) as plain:
        for seen in tls.get(headers=fields).json(), plain.get(headers=fields).json():
            assert [n for n, v in seen["headers"] if v == "CN=root"] == []
            assert header_values(seen, "X-Kept") == ["yes"]


def test_a_name_with_a_space_before_the_colon_is_refused(both, upstream):
    with both.tls() as c:
        assert c.get(headers="X-Client-Verify : SUCCESS\r\n").status == 400
    assert upstream.accepted == 0


def test_trailers_carry_no_identity(both):
    with both.tls() as c:
        c.send("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n"
               "3\r\nabc\r\n0\r\nX-Client-Verify: SUCCESS\r\nClient_Cert: x\r\nX-Client-DN: CN=root\r\n\r\n")
        answer = c.answer()
    assert answer.status == 200
    assert "SUCCESS" not in answer.body.decode() and "root" not in answer.body.decode()


def test_identity_headers_do_not_leave_in_responses(proxy, scripted_upstream):
    def script(c):
        c.until(b"\r\n\r\n")
        c.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nClient-Cert: leaked\r\nX-Client-DN: leaked\r\nX-Other: yes\r\n\r\n")
    server = scripted_upstream(script)
    gate = proxy("server { listen {port}; location / { proxy_pass http://%s; } }" % server.address)
    with gate.plain() as c:
        answer = c.get()
    assert answer.headers.get("x-other") == "yes"
    assert "leaked" not in str(answer.headers)


def test_identity_pass_lets_one_name_through_from_listed_addresses(proxy, upstream):
    gate = proxy("""server { listen {port};
        location /here { proxy_client_identity_pass X-Client-DN from 127.0.0.0/8; proxy_pass http://%s; }
        location /elsewhere { proxy_client_identity_pass X-Client-DN from 192.0.2.0/24; proxy_pass http://%s; } }"""
                 % (upstream.address, upstream.address))
    with gate.plain() as c:
        fields = "X-Client-DN: CN=a\r\nX-Client-Verify: SUCCESS\r\n"
        here, elsewhere = c.get("/here", headers=fields).json(), c.get("/elsewhere", headers=fields).json()
    assert header_values(here, "X-Client-DN") == ["CN=a"]
    assert header_values(here, "X-Client-Verify") == []
    assert header_values(elsewhere, "X-Client-DN") == []
