"""Open connections obey, too: whoever was let in is judged by what is trusted now, as long as he stays."""
import contextlib
import ssl
import subprocess
import threading
import time

import pytest

from harness import SLOWER, WAIT, Connection, wait_until
from test_gateway_exchange import name_server

VERSIONS = [pytest.param(ssl.TLSVersion.TLSv1_2, id="1.2"), pytest.param(ssl.TLSVersion.TLSv1_3, id="1.3")]
CRL = "ssl_crl {certs}/rogues/crl.pem;"


def block(more="", address="{port}", name="localhost", ca="{certs}/ca.crt", location="return 200 $ssl_client_s_dn;"):
    return ("server { listen %s ssl; server_name %s; ssl_certificate {certs}/server.crt; ssl_certificate_key {certs}/server.key; "
            "ssl_client_certificate %s; ssl_verify_client on; %s location / { %s } }" % (address, name, ca, more, location))


def proxied(upstream, more=""):
    return block(more, location="proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; "
                 "proxy_set_header Connection $http_connection; proxy_pass http://%s;" % upstream.address)


def reload(gate, text):
    """Until the old worker drains: then it knows what the new one trusts."""
    before = gate.log().count("gracefully shutting down")
    gate.reload(text)
    wait_until(lambda: gate.log().count("gracefully shutting down") > before, "the old worker to drain")


def ask(connection, **more):
    return connection.get(headers="Accept: application/json\r\n", **more)


def switching(c):
    c.until(b"\r\n\r\n")
    c.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
    while data := c.sock.recv(100):
        c.send(data)


def upgrade(connection):
    connection.send("GET /chat HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n")
    assert connection.head()[1] == 101
    return echoes(connection)


def echoes(connection):
    connection.send("ping")
    return connection.exactly(4) == b"ping"


@pytest.mark.parametrize("version", VERSIONS)
def test_the_next_request_of_a_revoked_client_is_refused(proxy, version):
    gate = proxy(block())
    with gate.tls("revoked", version) as revoked, gate.tls("good", version) as good:
        assert ask(revoked).status == 200 and ask(good).status == 200
        reload(gate, block(CRL))
        gate.logged("1 open connection is no longer permitted")
        answer = ask(revoked)
        assert answer.status == 403 and answer.json()["reason"] == "cert_revoked"
        assert ask(good).body == b"CN=client good"
    assert "cert_revoked" in gate.logged("CN=client revoked revoked 20")


@pytest.mark.no_valgrind("it lets nobody set RLIMIT_NOFILE")
def test_a_worker_without_descriptors_to_spare_learns_it_too(proxy):
    gate = proxy(block(), main="worker_rlimit_nofile 64;")
    with gate.tls("revoked") as revoked, contextlib.ExitStack() as others:
        assert ask(revoked).status == 200
        for _ in range(64):
            others.enter_context(gate.plain())
        gate.logged("Too many open files")
        reload(gate, block(CRL))
        assert ask(revoked).json()["reason"] == "cert_revoked"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_of_a_ca_that_is_trusted_no_longer_is_refused(proxy, version):
    gate = proxy(block())
    with gate.tls(version=version) as c:
        assert ask(c).status == 200
        reload(gate, block(ca="{certs}/rogues/self-signed.crt"))
        assert ask(c).json()["reason"] == "ca_unknown"


def test_who_would_have_been_refused_is_good_by_what_is_trusted_now(proxy):
    def report(more=""):
        return block(more, location="return 200 $ssl_client_verify:$ssl_client_refusal;").replace("client on", "client report")
    gate = proxy(report(CRL))
    with gate.tls("revoked") as c:
        assert ask(c).body == b"FAILED:certificate revoked:cert_revoked"
        reload(gate, report())
        assert ask(c).body == b"SUCCESS:"


@pytest.mark.parametrize("version", VERSIONS)
def test_an_upgraded_connection_of_a_revoked_client_ends(proxy, scripted_upstream, version):
    upstream = scripted_upstream(switching)
    gate = proxy(proxied(upstream))
    with gate.tls("revoked", version) as revoked, gate.tls("good", version) as good:
        assert upgrade(revoked) and upgrade(good)
        reload(gate, proxied(upstream, CRL))
        assert revoked.is_closed()
        gate.logged("1 open connection is no longer permitted")
        assert echoes(good)
        gate.reload(proxied(upstream, CRL))
        assert echoes(good)  # however many configurations later
    assert "cert_revoked" in gate.logged("CN=client revoked revoked 20")


def test_an_upgraded_connection_ends_where_rules_change(proxy, scripted_upstream):
    upstream = scripted_upstream(switching)
    gate = proxy(proxied(upstream))
    with gate.tls() as c:
        assert upgrade(c)
        gate.reload(proxied(upstream, "ssl_client_deny cn client;"))
        assert c.is_closed()


def test_a_request_in_progress_goes_on(proxy, scripted_upstream):
    rest = threading.Event()

    def halves(c):
        c.until(b"\r\n\r\n")
        c.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
        assert rest.wait(WAIT)
        c.send("half")

    upstream = scripted_upstream(halves)
    gate = proxy(proxied(upstream))
    with gate.tls("revoked") as c:
        c.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert c.head()[1] == 200 and c.exactly(4) == b"half"
        reload(gate, proxied(upstream, CRL))
        rest.set()
        assert c.exactly(4) == b"half"


@pytest.mark.parametrize("now", [
    block(name="other.example"), block(address="{port2}"), block("ssl_verify_client off;").replace("ssl_verify_client on;", ""),
    block("ssl_client_deny cn nobody;"), block("location /admin { ssl_client_allow any; }").replace("allow any", "allow cn x"),
    block() + block(CRL), "server { listen {port}; return 200; }",
], ids=["another name", "another address", "asks nobody", "another rule", "a rule of a location", "two of that name", "no TLS"])
def test_where_the_server_is_gone_clients_are_told_to_connect_anew(proxy, now):
    gate = proxy(block(location="return 200;") + block(name="second.example"))
    with gate.tls() as c, gate.tls() as open_to_all:
        assert ask(c).status == ask(open_to_all).status == 200
        reload(gate, now)
        assert ask(c).status == 421
    assert "gone from the configuration" in gate.log()


@pytest.mark.parametrize("before", ["off", "optional", "report"])
def test_where_more_is_asked_now_clients_are_told_to_connect_anew(proxy, upstream, before):
    less = proxied(upstream).replace("ssl_verify_client on;", f"ssl_verify_client {before};")
    gate = proxy(less)
    with gate.tls(None) as c, gate.tls(None) as late:
        late.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n")
        assert ask(c).status == 200
        reload(gate, proxied(upstream))
        assert ask(c).status == 421
        late.send("1")
        assert late.answer().status == 421
    assert len(upstream.requests) == 1


def test_other_servers_names_and_locations_do_not_matter(proxy):
    rules = "ssl_client_allow cn client; location /a { ssl_client_allow cn a; } location /b { ssl_verify_client off; } "
    gate = proxy(block(rules))
    with gate.tls() as c:
        assert ask(c).status == 200
        reload(gate, block(CRL, name="first.example") + block(CRL, "{port2}") +
               block("location /c { return 200; }" + rules, name="localhost other.example"))
        assert ask(c).status == 200


def test_a_location_open_to_all_stays_so(proxy):
    more = "location = /healthz { ssl_verify_client off; return 200; }"
    gate = proxy(block(more))
    with gate.tls("expired") as c:
        assert ask(c, path="/healthz").status == 200
        reload(gate, block(name="other.example"))
        assert ask(c, path="/healthz").status == 200


def seconds_from_now(seconds):
    return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + seconds))


def authority(certs, folder, *args):
    """openssl ca as certs/make calls it, with a database of its own."""
    for name, text in (("index.txt", ""), ("serial", "1000\n")):
        (folder / name).write_text(text)
    conf = folder / "ca.cnf"
    conf.write_text("[ca]\ndefault_ca = a\n[a]\ndatabase = %s\nserial = %s\nnew_certs_dir = %s\ndefault_md = sha256\n"
                    "default_days = 1\ndefault_crl_days = 1\npolicy = p\n[p]\ncommonName = supplied\n"
                    % (folder / "index.txt", folder / "serial", folder))
    subprocess.run(["openssl", "ca", "-batch", "-config", conf, "-cert", certs / "ca.crt", "-keyfile", certs / "ca.key",
                    "-notext", *args], check=True, capture_output=True)


def short_lived(gate, seconds):
    """A client of the CA whose certificate ends soon."""
    folder = gate.folder / "short"
    folder.mkdir()
    request, certificate, key = folder / "short.csr", folder / "short.crt", gate.certs / "client.key"
    subprocess.run(["openssl", "req", "-new", "-key", key, "-subj", "/CN=short", "-out", request], check=True, capture_output=True)
    authority(gate.certs, folder, "-in", request, "-out", certificate, "-startdate", seconds_from_now(-60),
              "-enddate", seconds_from_now(seconds))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(certificate, key)
    return Connection(context.wrap_socket(gate.plain().sock, server_hostname="localhost"))


def test_an_upgraded_connection_ends_with_its_certificate(proxy, scripted_upstream):
    gate = proxy(proxied(scripted_upstream(switching)))
    with short_lived(gate, 3) as c:
        assert upgrade(c) and c.is_closed()
    assert "cert_expired" in gate.logged("CN=short")


def test_who_had_to_wait_is_judged_when_he_is_let_in(proxy, upstream):
    gate = proxy("limit_req_zone $ssl_client_s_dn zone=z:32k rate=12r/m; limit_req zone=z burst=1; " + proxied(upstream))
    with short_lived(gate, 3) as c:
        assert ask(c).status == 200
        answer = ask(c)  # five seconds later
        assert answer.status == 403 and answer.json()["reason"] == "cert_expired"
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("framing", ["Content-Length: 4", "Transfer-Encoding: chunked"])
def test_whose_body_came_late_is_judged_when_it_is_there(proxy, upstream, framing):
    gate = proxy(proxied(upstream))
    body = "body" if "Length" in framing else "4\r\nbody\r\n0\r\n\r\n"
    with gate.tls("revoked") as late, gate.tls() as good:
        for c in late, good:
            c.send(f"POST / HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n{framing}\r\n\r\n" + body[:-1])
        reload(gate, proxied(upstream, CRL))
        gate.logged("1 open connection is no longer permitted")
        for c in late, good:
            c.send(body[-1])
        answer = late.answer()
        assert answer.status == 403 and answer.json()["reason"] == "cert_revoked"
        assert good.answer().status == 200
    assert [r["body"] for r in upstream.requests] == ["body"]


class Late(dict):
    """What is looked up in it takes until somebody says so."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.asked, self.may_answer = threading.Event(), threading.Event()

    def get(self, *args):
        self.asked.set()
        self.may_answer.wait(WAIT)
        return super().get(*args)


@pytest.mark.parametrize("waits_for", ["an address", "an upstream before", "a redirect", "an error page"])
def test_who_had_to_wait_for_another_is_judged_before_anything_is_said_for_him(proxy, upstream, scripted_upstream, waits_for):
    late = Late({"app.test": "127.0.0.1"})
    dns = name_server(late)

    def fails(c):
        c.until(b"\r\n\r\n")
        late.get("")
        if waits_for != "an upstream before":
            c.send("HTTP/1.1 %s\r\nX-Accel-Redirect: /other\r\nContent-Length: 0\r\n\r\n" % (
                "200 OK" if waits_for == "a redirect" else "500 Oh"))
    first = f"127.0.0.1:{scripted_upstream(fails).port}"
    http = "upstream app { server %s; server %s backup; } " % (first, upstream.address)
    to = {"an address": f"set $to app.test; proxy_pass http://$to:{upstream.port};", "an upstream before": "proxy_pass http://app;",
          "a redirect": f"proxy_pass http://{first};",
          "an error page": f"proxy_ignore_headers X-Accel-Redirect; proxy_intercept_errors on; error_page 500 = /other; proxy_pass http://{first};"}
    more = "resolver 127.0.0.1:%d ipv6=off; location /other { proxy_pass http://%s; }" % (dns.getsockname()[1], upstream.address)
    gate = proxy(http + block(more, location=to[waits_for]))
    try:
        with gate.tls("revoked") as revoked, gate.tls() as good:
            for c in revoked, good:
                c.send("GET / HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n")
            assert late.asked.wait(WAIT)
            reload(gate, http + block(CRL + more, location=to[waits_for]))
            gate.logged("1 open connection is no longer permitted")
            late.may_answer.set()
            assert good.answer().status == 200
            answer = revoked.answer()
            assert answer.status == 403 and answer.json()["reason"] == "cert_revoked"
    finally:
        dns.close()
    assert len(upstream.requests) == 1


def test_whose_certificate_ended_while_his_body_came_is_refused(proxy, upstream):
    gate = proxy(proxied(upstream))
    with short_lived(gate, 3) as c:
        c.send("POST / HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\nContent-Length: 2\r\n\r\n1")
        time.sleep(4.5)
        c.send("2")
        assert c.answer().json()["reason"] == "cert_expired"
    assert upstream.requests == []


def test_no_verdict_on_an_open_connection_is_older_than_ssl_client_recheck(proxy, scripted_upstream, tmp_path):
    """A revocation list that runs out shuts them out, too."""
    upstream = scripted_upstream(switching)
    gate = proxy("server { listen {port2}; }")
    soon = tmp_path / "soon.pem"
    authority(gate.certs, tmp_path, "-gencrl", "-crl_lastupdate", seconds_from_now(-60), "-crl_nextupdate", seconds_from_now(4 * SLOWER),
              "-out", soon)
    crl = f"ssl_crl {soon}; ssl_client_recheck "
    gate = proxy(proxied(upstream, crl + "1s;") + block(crl + "1s;", "{port3}") + block(crl + "1h;", "{port4}"))
    with gate.tls() as upgraded, gate.tls(port=gate.ports[2]) as kept, gate.tls(port=gate.ports[3]) as lazy:
        assert upgrade(upgraded) and ask(kept).status == 200 and ask(lazy).status == 200
        assert upgraded.is_closed()
        assert ask(kept).json()["reason"] == "crl_expired"
        assert ask(lazy).status == 200
    assert "crl_expired" in gate.logged("has a revocation list that expired")
