"""Known ways around a client check, one test each: those that other servers had, and those that reviews of this one found.

Rows that have their test elsewhere: GHSA-5r4w-85f3-pw66, GHSA-9cr8-q42q-g8m7, CVE-2019-20894, envoy#6767 and CVE-2026-32305 in
test_hosts.py; CVE-2026-27586 in test_command_line.py; CVE-2026-46579 and CVE-2024-45614 in test_identity_headers.py; tickets of
unverified clients and of other server blocks in test_resumption.py.
"""
import concurrent.futures
import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import threading
import time

import pytest

import test_resumption
from harness import ARTICLE, WAIT, free_port, read_request, wait_until

VERSIONS = pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
PYTHON_VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["tls12", "tls13"])


def s_client(port, certs, version, *more, cert=None):
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", version, "-CAfile", certs / "ca.crt", "-ign_eof", *more]
    if cert:
        command += ["-cert", certs / f"{cert}.crt", "-key", certs / f"{cert}.key"]
    done = subprocess.run(command, input=b"GET / HTTP/1.0\r\nHost: localhost\r\nAccept: text/plain\r\n\r\n",
                          capture_output=True, timeout=WAIT)
    return done.stdout.decode(errors="replace")


# ---- tickets ----

@contextlib.contextmanager
def other_server(certs, version):
    """A server with our certificate that hands out tickets."""
    port = free_port()
    process = subprocess.Popen(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", certs / "server.crt", "-key",
                                certs / "server.key", "-CAfile", certs / "ca.crt", "-verify", "1", "-www", version],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def listens():
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
    try:
        wait_until(listens, "openssl s_server")
        yield port
    finally:
        process.kill()
        process.wait()


@VERSIONS
@pytest.mark.parametrize("cert", ["client", None])
def test_cve_2025_23419_ticket_of_another_server_resumes_nothing(gate, upstream, certs, tmp_path, version, cert):
    session = tmp_path / "session.pem"
    with other_server(certs, version) as port:
        s_client(port, certs, version, "-sess_out", session, cert=cert)
    assert session.exists()
    said = s_client(gate.port, certs, version, "-sess_in", session)
    assert "Reused," not in said and "HTTP/1.1 403" in said and "cert_missing" in said, said
    assert upstream.requests == []


@VERSIONS
@pytest.mark.parametrize("name, crl", [("revoked", "crl.pem"), ("intermediate", "crl-intermediate.pem")])
def test_harper_2457_revoked_stays_revoked_on_the_next_connection(proxy, upstream, certs, tmp_path, version, name, crl):
    gate = proxy(ARTICLE.replace("ssl_verify_client on;", "ssl_verify_client on; ssl_crl {certs}/rogues/%s;" % crl)
                 .replace("web_server:port", upstream.address))
    session = tmp_path / "session.pem"
    chain = certs / "rogues" / f"{name}.chain.crt"
    more = ["-cert", certs / "rogues" / f"{name}.crt", "-key", certs / "rogues" / f"{name}.key"]
    more += ["-cert_chain", chain] if chain.exists() else []
    for turn in range(2):
        offered = ["-sess_in", session] if session.exists() else ["-sess_out", session]
        said = s_client(gate.port, certs, version, *more, *offered)
        assert "HTTP/1.1 403" in said and "cert_revoked" in said and "Reused," not in said, (turn, said)
    assert upstream.requests == []


@PYTHON_VERSIONS
@pytest.mark.parametrize("name, crl", [("revoked", "crl.pem"), ("intermediate", "crl-intermediate.pem")])
def test_harper_2457_who_is_revoked_meanwhile_resumes_nothing(proxy, version, name, crl):
    """The chain is not sent again: its intermediate must be looked up all the same."""
    gate = proxy(test_resumption.server())
    client = test_resumption.Client(gate, version, name)
    assert [client.get().status for _ in range(2)] == [200, 200] and client.reused
    test_resumption.reload(gate, test_resumption.server(more="ssl_crl {certs}/rogues/%s; " % crl))
    for _ in range(2):
        answer = client.get()
        assert answer.status == 403 and answer.json()["reason"] == "cert_revoked" and not client.reused, answer


# ---- the handshake, octet by octet ----

def vector(size, octets):
    return len(octets).to_bytes(size, "big") + octets


def client_hello(versions, shares=None, session_id=bytes(32), server_name=b"localhost"):
    """A ClientHello in one record. shares: key_share's content; versions empty: TLS 1.2 without the extension."""
    def extension(number, content):
        return struct.pack(">H", number) + vector(2, content)
    extensions = extension(0, vector(2, b"\0" + vector(2, server_name)))
    extensions += extension(10, vector(2, struct.pack(">HH", 0x1d, 0x17))) + extension(11, b"\1\0")
    extensions += extension(13, vector(2, struct.pack(">HHHH", 0x0403, 0x0804, 0x0805, 0x0401)))
    extensions += extension(23, b"")  # extended_master_secret
    if versions:
        extensions += extension(43, vector(1, b"".join(struct.pack(">H", v) for v in versions)))
    if shares is not None:
        extensions += extension(51, vector(2, shares))
    suites = struct.pack(">HHHHH", 0x1301, 0x1302, 0xc02f, 0xc02b, 0xc030)
    body = b"\3\3" + os.urandom(32) + vector(1, session_id) + vector(2, suites) + b"\1\0" + vector(2, extensions)
    return b"\x16\3\1" + vector(2, b"\1" + vector(3, body))


def records(sock):
    """Type and content of each record until the end."""
    pending = b""
    with contextlib.suppress(ConnectionResetError):
        while data := sock.recv(65536):
            pending += data
            while len(pending) >= 5 and len(pending) >= 5 + int.from_bytes(pending[3:5], "big"):
                size = 5 + int.from_bytes(pending[3:5], "big")
                yield pending[0], pending[5:size]
                pending = pending[size:]


RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")


@pytest.mark.parametrize("second", ["TLS 1.2 alone", "both, TLS 1.2 first", "no share again", "another name"])
def test_cve_2026_34873_hello_retry_request_leads_nowhere_else(gate, upstream, second):
    """After HelloRetryRequest a second ClientHello cannot choose another version or resume with nothing."""
    hellos = {"TLS 1.2 alone": client_hello([]), "both, TLS 1.2 first": client_hello([0x0303]),
              "no share again": client_hello([0x0304, 0x0303], b""),
              "another name": client_hello([0x0303], server_name=b"other.test")}
    with socket.create_connection(("127.0.0.1", gate.port), timeout=WAIT) as sock:
        sock.sendall(client_hello([0x0304, 0x0303], b""))
        answers = records(sock)
        kind, content = next(answers)
        assert kind == 22 and content[0] == 2 and content[6:38] == RETRY
        sock.sendall(hellos[second])
        rest = [(k, c) for k, c in answers if k != 20]
    assert rest and rest[0][0] == 21 and rest[0][1][0] == 2, rest  # a fatal alert, no ServerHello
    assert upstream.requests == []


def test_records_without_meaning_do_not_keep_a_handshake_busy(gate):
    """RFC 8446, appendix D.4, lets change_cipher_spec records come in between; not millions of them."""
    with socket.create_connection(("127.0.0.1", gate.port), timeout=WAIT) as sock:
        sock.sendall(client_hello([0x0304, 0x0303], b""))
        next(records(sock))
        with pytest.raises(OSError):
            for _ in range(10000):
                sock.sendall(b"\x14\3\3\0\1\1" * 1000)
    gate.logged("too much before the handshake's end")
    assert gate.curl().status == 200


def test_cve_2026_25835_no_two_workers_say_the_same_random(proxy, upstream):
    """Generators are seeded after the fork: also in a worker that replaces one that died."""
    gate = proxy(ARTICLE.replace("web_server:port", upstream.address), workers=4)

    def random():
        with socket.create_connection(("127.0.0.1", gate.port), timeout=WAIT) as sock:
            sock.sendall(client_hello([]))
            kind, content = next(records(sock))
            assert kind == 22 and content[0] == 2
            return content[6:30]  # the last eight octets may be RFC 8446's mark of a downgrade

    said = [random() for _ in range(40)]
    before = set(wait_until(lambda: len(gate.workers()) == 4 and gate.workers(), "four workers"))
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(set(gate.workers()) - before) == 4, "four others")
    said += [random() for _ in range(40)]
    assert len(set(said)) == 80


# ---- certificates ----

@PYTHON_VERSIONS
@pytest.mark.parametrize("name", ["eku-server", "issuer-eku", "key-usage", "expired", "other-ca", "self-signed"])
def test_cve_2024_45159_optional_sees_every_usage(proxy, upstream, version, name):
    gate = proxy("""events {} http { server { listen {port} ssl; ssl_certificate {certs}/server.crt; ssl_certificate_key {certs}/server.key;
        ssl_client_certificate {certs}/ca.crt; ssl_verify_client optional;
        location / { proxy_set_header X-Verify $ssl_client_verify; proxy_pass http://%s; } } }""" % upstream.address)
    with gate.tls(name, version) as c:
        assert c.get().status == 403
    assert upstream.requests == []
    with gate.tls(None, version) as c:
        assert dict(c.get().json()["headers"])["X-Verify"] == "NONE"


def test_cve_2026_28755_revocation_survives_reloads(proxy, upstream, certs):
    """A new list counts for the next connection; a broken one leaves the old in force."""
    rogues = certs / "rogues"
    gate = proxy(ARTICLE.replace("ssl_verify_client on;", "ssl_verify_client on; ssl_crl {folder}/list.pem;")
                 .replace("web_server:port", upstream.address),
                 prepare=lambda folder: shutil.copy(rogues / "crl-empty.pem", folder / "list.pem"))

    def reason(name):
        with gate.tls(name) as c:
            answer = c.get(headers="Accept: application/json\r\n")
            return answer.status if answer.status == 200 else json.loads(answer.body)["reason"]

    assert reason("revoked") == 200
    shutil.copy(rogues / "crl.pem", gate.folder / "list.pem")
    gate.reload()
    wait_until(lambda: reason("revoked") == "cert_revoked", "the new list")
    text = (rogues / "crl.pem").read_bytes()
    for broken in (text[:len(text) // 2], b""):
        (gate.folder / "list.pem").write_bytes(broken)
        errors = gate.log().count("[emerg]")
        gate.process.send_signal(signal.SIGHUP)
        wait_until(lambda: gate.log().count("[emerg]") > errors, "an error")
        assert reason("revoked") == "cert_revoked" and reason("good") == 200
    seen = len(upstream.requests)
    assert reason("revoked") == "cert_revoked" and len(upstream.requests) == seen


def test_bun_27985_the_same_verdict_every_time(proxy, upstream):
    """A thousand handshakes, eight at once, with and without a good certificate."""
    gate = proxy(ARTICLE.replace("web_server:port", upstream.address), workers=2)
    certificates = ["client", None, "expired", "client", "other-ca", None, "client", "self-signed"]
    turns = 1000 // len(certificates)

    def ask(cert):
        wrong = []
        for turn in range(turns):
            with gate.tls(cert, ssl.TLSVersion.TLSv1_2 if turn % 2 else ssl.TLSVersion.TLSv1_3) as c:
                status = c.get().status
            if status != (200 if cert == "client" else 403):
                wrong.append((cert, turn, status))
        return wrong

    with concurrent.futures.ThreadPoolExecutor(len(certificates)) as pool:
        assert [w for wrong in pool.map(ask, certificates) for w in wrong] == []
    assert len(upstream.requests) == turns * certificates.count("client")


# ---- what is behind the gate ----

def http(location, rest=""):
    return "events { worker_connections 2000; } http { %s server { listen {port}; location / { %s } } }" % (rest, location)


@pytest.mark.parametrize("value", ["h2c", "H2C", "h2c, websocket", "websocket , h2c", "h2c/1"])
def test_h2c_is_never_asked_for(proxy, scripted_upstream, value):
    """Behind an upgrade to h2c requests would pass that no location and no check sees."""
    def switch(c):
        asked = b"\r\nupgrade:" in c.until(b"\r\n\r\n").lower()
        c.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" if asked
               else "HTTP/1.1 204 No Content\r\n\r\n")
        c.rest()
    gate = proxy(http("proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; "
                      "proxy_pass http://%s;" % scripted_upstream(switch).address))
    with gate.plain() as c:
        assert c.get(headers=f"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: {value}\r\nHTTP2-Settings: AAMAAABk\r\n").status == 204


def late_body(c):
    """Answers as the method in the request line wants, the body a little later."""
    body = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nX-Forged: yes\r\n\r\nforged"
    while True:
        seen = read_request(c)
        c.send("HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-Method: %s\r\n\r\n" % (len(body), seen["method"]))
        if seen["method"] != "HEAD":
            time.sleep(0.05)
            c.send(body)


@pytest.mark.parametrize("sent, asked", [("GET", "HEAD"), ("HEAD", "GET")])
def test_proxy_method_decides_where_a_response_ends(proxy, scripted_upstream, sent, asked):
    """The body of one client's answer must not be read as the next client's."""
    gate = proxy(http("proxy_http_version 1.1; proxy_set_header Connection ''; proxy_method %s; proxy_pass http://kept;" % sent,
                      "upstream kept { server %s; keepalive 4; }" % scripted_upstream(late_body).address))
    with gate.plain() as c:
        for method in (asked, "GET", asked):
            answer = c.get(method=method)
            assert answer.status == 200 and answer.headers["x-method"] == sent and "x-forged" not in answer.headers
            assert answer.complete


@pytest.mark.parametrize("line, status", [("GET localhost:80", 400), ("GET *", 400), ("POST *", 400), ("OPTIONS *", 200)])
def test_forms_of_the_target_that_are_not_for_every_method(proxy, upstream, line, status):
    """RFC 9112, 3.2.3 and 3.2.4: locations would judge "/", and the upstream see something else."""
    gate = proxy(http("proxy_pass http://%s;" % upstream.address))
    with gate.plain() as c:
        c.send(f"{line} HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert c.answer().status == status
    assert len(upstream.requests) == (status == 200)


def test_a_name_may_be_forgotten_only_when_its_queries_were_told(proxy):
    """A thousand other names are asked for while one waits; its failure asks for yet another from inside."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    held = []

    def serve():
        with contextlib.suppress(OSError):
            while True:
                query, peer = server.recvfrom(2048)
                end = query.index(b"\0", 12) + 5
                answer = query[:2] + struct.pack(">HHHHH", 0x8183, 1, 0, 0, 0) + query[12:end], peer
                if query[13:17] == b"slow":
                    held.append(answer)
                else:
                    server.sendto(*answer)
    threading.Thread(target=serve, daemon=True).start()
    gate = proxy("""events { worker_connections 2000; } http { resolver 127.0.0.1:%d ipv6=off; resolver_timeout 60s; access_log off;
        server { listen {port};
            location / { set $to $arg_to; error_page 502 = /second; proxy_pass http://$to:1; }
            location /second { set $n $request_id.test; proxy_pass http://$n:1; } } }""" % server.getsockname()[1], level="crit")

    def ask_many(number):
        with gate.plain() as c:
            assert {c.get(f"/?to=n{number}x{i}.test").status for i in range(160)} == {502}
    with gate.plain() as slow, concurrent.futures.ThreadPoolExecutor(8) as pool:
        slow.send("GET /?to=slow.test HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_until(lambda: held, "the query")
        list(pool.map(ask_many, range(8)))
        for answer in held:
            server.sendto(*answer)
        assert slow.answer().status == 502
    server.close()


@pytest.mark.parametrize("field, header", [("X-Verify: SUCCESS", "X-Verify"), ("X_Verify: SUCCESS", "X-Verify"),
                                           ("x-client-dn : CN=admin", None), ("X-Client-DN\t: CN=admin", None),
                                           (" X-Client-DN: CN=admin", None), ("A: b\r\n X-Client-DN: CN=admin", None),
                                           ("A: b\rX-Client-DN: CN=admin", None)])
def test_identity_cannot_be_written_by_the_client(proxy, upstream, field, header):
    gate = proxy("""events {} http { underscores_in_headers on; server { listen {port} ssl; ssl_certificate {certs}/server.crt;
        ssl_certificate_key {certs}/server.key; ssl_client_certificate {certs}/ca.crt; ssl_verify_client optional;
        location / { proxy_set_header X-Verify $ssl_client_verify; proxy_pass http://%s; } } }""" % upstream.address)
    with gate.tls(None) as c:
        answer = c.get(headers=field + "\r\n")
    if header is None:
        assert answer.status == 400 and upstream.requests == []
    else:
        assert [v for n, v in answer.json()["headers"] if n.lower().replace("_", "-") == header.lower()] == ["NONE"]


def test_what_clients_cause_is_logged_where_error_log_says_and_nowhere_else(proxy, upstream):
    """The start's messages go to stderr, too; a worker's would fill whatever collects it, at any level."""
    gate = proxy(ARTICLE.replace("web_server:port", upstream.address))
    assert gate.curl(cert="other-ca").status == 403
    gate.logged("client certificate refused: issuer_unknown")
    gate.output.flush()
    assert "refused" not in (gate.folder / "output").read_text()


@pytest.mark.parametrize("octets", ["GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "\x80\r\n\r\n",
                                    "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n"])
@pytest.mark.parametrize("cert", ["client", None])
def test_error_page_of_a_malformed_request_passes_the_gate_too(proxy, upstream, cert, octets):
    """Its target and fields were never read, and yet it may be proxied: for a verified client alone."""
    gate = proxy(ARTICLE.replace("ssl_verify_client on;", "ssl_verify_client on; error_page 400 = @page;")
                 .replace("location / {", "location @page { proxy_pass http://web_server:port; } location / {")
                 .replace("web_server:port", upstream.address))
    with gate.tls(cert) as c:
        c.send(octets)
        answer = c.answer()
    assert answer.status == (200 if cert else 403)
    assert [(r["method"], r["target"]) for r in upstream.requests] == ([("GET", "/")] if cert else [])
