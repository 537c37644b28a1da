"""Which server block's client check applies: SNI against Host, in every spelling."""
import subprocess

import pytest


@pytest.fixture
def hosts(proxy, upstream, certs):
    """open.test asks nobody; guarded.test and *.wild.test want my-ca; other.test wants another CA."""
    other_ca = certs / "rogues/other-ca-ca.crt"
    if not other_ca.exists():
        other_ca = certs / "second-ca.crt"
        if not other_ca.exists():
            subprocess.run(["openssl", "req", "-new", "-x509", "-nodes", "-days", "365", "-subj", "/CN=second-ca", "-newkey",
                            "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-keyout", certs / "second-ca.key", "-out",
                            other_ca, "-sha256"], check=True, capture_output=True)
    server = """server { listen {port} ssl%s; server_name %s; ssl_certificate {certs}/server.crt;
        ssl_certificate_key {certs}/server.key; %s
        location / { proxy_set_header X-Block %s; proxy_set_header X-Verify $ssl_client_verify; proxy_pass http://%s; } }"""
    mine = "ssl_client_certificate {certs}/ca.crt; ssl_verify_client on;"
    other = f"ssl_client_certificate {other_ca}; ssl_verify_client on;"
    return proxy("events {} http { " + "".join(server % (*row, upstream.address) for row in (
        (" default_server", "open.test", "", "open"), ("", "guarded.test", mine, "guarded"),
        ("", "*.wild.test", mine, "wild"), ("", "other.test", other, "other"), ("", "twin.test", mine, "twin"))) + "}")


def blocks(answer):
    return dict(answer.json()["headers"])["X-Block"]


@pytest.mark.parametrize("sni, host, cert, status, block", [
    ("open.test", "open.test", None, 200, "open"),
    ("guarded.test", "guarded.test", "client", 200, "guarded"),
    ("guarded.test", "guarded.test", None, 403, None),
    # SNI chose a block that asks for nothing, Host names one that does.
    ("open.test", "guarded.test", "client", 421, None),
    ("open.test", "guarded.test", None, 421, None),
    ("open.test", "GUARDED.TEST", None, 421, None),
    ("open.test", "guarded.test.", None, 421, None),
    ("open.test", "guarded.test:443", None, 421, None),
    ("open.test", "a.wild.test", None, 421, None),
    ("open.test", "A.B.WILD.test", None, 421, None),
    # SNI in other spellings finds the same block.
    ("GUARDED.test", "guarded.test", None, 403, None),
    ("GUARDED.test", "guarded.test", "client", 200, "guarded"),
    ("a.wild.test", "a.wild.test", "client", 200, "wild"),
    ("a.wild.test", "a.wild.test", None, 403, None),
    # A certificate accepted for one CA set never counts for another's.
    ("guarded.test", "other.test", "client", 421, None),
    ("other.test", "guarded.test", "client", (403, 421), None),
    (None, "guarded.test", "client", (403, 421), None),
    (None, "guarded.test", None, (403, 421), None),
    ("unknown.test", "guarded.test", "client", (403, 421), None),
    # From a guarded block to the open one: nothing is lost.
    ("guarded.test", "open.test", "client", 200, "open"),
])
def test_sni_and_host_agree_on_the_client_check(hosts, upstream, sni, host, cert, status, block):
    with hosts.tls(cert, server_name=sni) as c:
        answer = c.get(host=host)
    assert answer.status in (status if isinstance(status, tuple) else (status,)), answer
    if answer.status == 200:
        assert blocks(answer) == block
    else:
        assert upstream.accepted == 0


@pytest.mark.parametrize("host, status", [("guarded.test", 200), ("twin.test", 200), ("other.test", 421)])
@pytest.mark.parametrize("sni", [None, "unknown.test"])
def test_a_certificate_that_the_default_server_accepted_counts_for_the_same_cas_alone(proxy, upstream, certs, sni, host, status):
    other_ca = certs / "rogues" / "other-ca.crt"
    gate = proxy("events {} http { " + "".join(
        f"server {{ listen {{port}} ssl; server_name {name}; ssl_certificate {{certs}}/server.crt; "
        f"ssl_certificate_key {{certs}}/server.key; ssl_client_certificate {ca}; ssl_verify_client on; "
        f"location / {{ proxy_pass http://{upstream.address}; }} }} "
        for name, ca in (("guarded.test", "{certs}/ca.crt"), ("twin.test", "{certs}/ca.crt"), ("other.test", other_ca))) + "}")
    with gate.tls("client", server_name=sni) as c:
        assert c.get(host=host).status == status
    assert upstream.accepted == (status == 200)


def test_absolute_form_replaces_host_in_the_check_too(hosts, upstream):
    with hosts.tls(None, server_name="open.test") as c:
        assert c.get("https://guarded.test/", host="open.test").status == 421
    assert upstream.accepted == 0


def test_client_hello_cut_at_every_octet_meets_the_same_block(hosts):
    import socket
    import ssl
    import time
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="guarded.test")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    hello = outgoing.read()
    with socket.create_connection(("127.0.0.1", hosts.port)) as raw:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(hello)):
            raw.sendall(hello[i:i + 1])
        raw.settimeout(10)

        def pump(step):
            while True:
                try:
                    return step()
                except ssl.SSLWantReadError:
                    if out := outgoing.read():
                        raw.sendall(out)
                    if not (data := raw.recv(65536)):
                        incoming.write_eof()
                    incoming.write(data)
        pump(tls.do_handshake)
        tls.write(b"GET / HTTP/1.1\r\nHost: guarded.test\r\nAccept: text/plain\r\n\r\n")
        raw.sendall(outgoing.read())
        said = b""
        while b"cert_missing" not in said:
            said += pump(lambda: tls.read(65536))
        assert said.startswith(b"HTTP/1.1 403")


def test_client_hello_in_many_records_meets_the_same_block(hosts):
    import socket
    import ssl
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="guarded.test")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    hello = outgoing.read()[5:]
    pieces = [hello[i:i + 50] for i in range(0, len(hello), 50)]
    wire = b"".join(b"\x16\x03\x01" + len(p).to_bytes(2, "big") + p for p in pieces)
    with socket.create_connection(("127.0.0.1", hosts.port)) as raw:
        raw.settimeout(10)
        raw.sendall(wire)
        first = raw.recv(65536)
        # A ServerHello (or a refusal), but never the open block without its CertificateRequest (type 13).
        if first[:1] == b"\x16":
            while b"\x0e\x00\x00\x00" not in first:
                first += raw.recv(65536)
            assert b"my-ca" in first


def test_ssl_reject_handshake_refuses_unknown_names(proxy, upstream):
    import ssl
    gate = proxy("""events {} http {
        server { listen {port} ssl default_server; ssl_reject_handshake on; }
        server { listen {port} ssl; server_name localhost; ssl_certificate {certs}/server.crt;
                 ssl_certificate_key {certs}/server.key; location / { return 200 ok; } } }""")
    with gate.tls() as c:
        assert c.get().status == 200
    with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
        gate.tls(server_name="elsewhere.test")
