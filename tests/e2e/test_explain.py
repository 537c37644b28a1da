"""portcullis explain says offline what the gate says to the client."""
import contextlib
import datetime
import itertools
import json
import os
import pty
import re
import subprocess

import pytest

from harness import ARTICLE, WAIT, cert_path, free_port, wait_until
from test_refusals import block_for, needs_of, rogues

# A client with such a key never shows its certificate, so the gate sees none: its code is cert_missing there.
NEVER_SHOWN = {"ed25519": "alg_unsupported"}


class Explained:
    def __init__(self, done):
        self.status, self.text, self.errors = done.returncode, done.stdout, done.stderr
        said = re.match(r"(accepted|refused: (\w+))\n", self.text)
        self.code = None if not said else said[2] or "ok"

    def part(self, name):
        """What stands behind a word at the start of a line."""
        return next((line.split(None, 1)[1] for line in self.text.splitlines() if line.startswith(name + " ")), None)

    def __repr__(self):
        return f"{self.status}\n{self.text}\n{self.errors}"


@pytest.fixture
def explain(binary):
    def run(*words, stdin=None):
        done = subprocess.run([binary, "explain", *map(str, words)], capture_output=True, timeout=WAIT, input=stdin)
        done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
        return Explained(done)
    return run


@pytest.fixture
def configured(explain, certs, tmp_path):
    """explain by a configuration, made of {certs} and {port}."""
    def run(text, *words):
        path = tmp_path / "explain.conf"
        path.write_text(text.replace("{certs}", str(certs)).replace("{port5}", "127.0.0.1:8444").replace("{port}", "127.0.0.1:8443"))
        return explain("-c", path, *words)
    return run


def test_the_whole_gallery_is_explained_as_the_gate_decides(configured, certs, upstream):
    # The gate's side of the same table: test_refusals.py.
    wrong = []
    for rogue in rogues():
        if "host" in needs_of(rogue):  # is said of a connection: no certificate has it
            continue
        text, _ = block_for(rogue, certs, upstream)
        got = configured(text, cert_path(certs, rogue.name))
        expected = NEVER_SHOWN.get(rogue.name, rogue.expected)
        if got.code != expected or got.status != (expected != "ok") or (expected != "ok") != bool(got.part("cure")):
            wrong.append((rogue, got))
    assert not wrong, "\n".join(map(str, wrong))


def test_the_log_and_the_explanation_say_the_same_of_a_refusal(proxy, upstream, explain, certs):
    gate = proxy(ARTICLE.replace("web_server:port", upstream.address))
    assert gate.curl(cert="eku-server").status == 403
    logged = re.search(r"client certificate refused: (\w+): (.*?), client: ", gate.log())
    got = explain("-c", gate.config_path, cert_path(certs, "eku-server"))
    assert (got.code, got.text.splitlines()[1]) == logged.groups()


RULES = """
server {
    listen {port} ssl; server_name api.example.com;
    ssl_certificate {certs}/server.crt; ssl_certificate_key {certs}/server.key;
    ssl_client_certificate {certs}/ca.crt; ssl_verify_client on;
    location / { return 200; }
    location = /healthz { ssl_verify_client off; return 200; }
    location /admin { ssl_client_allow cn admin; return 200; }
    location /new { ssl_verify_client report; return 200; }
    location ~ ^/r/ { ssl_client_deny cn client; return 200; }
}
server {
    listen {port} ssl; server_name guests.example.com;
    ssl_certificate {certs}/server.crt; ssl_certificate_key {certs}/server.key;
    ssl_verify_client optional_no_ca;
}
server { listen {port5}; server_name plain.example.com; }
"""


@pytest.mark.parametrize("cert, words, status, code, rule", [
    ("client", ["--server", "api.example.com"], 0, "ok", r"ssl_verify_client on \(.*:5\)"),
    ("client", ["--location", "/admin/x"], 1, "not_permitted", r"ssl_client_allow cn, the last; none matched \(.*:8\)"),
    ("client", ["--location", "/r/%78"], 1, "not_permitted", r"ssl_client_deny cn \(.*:10\)"),
    ("expired", ["--location", "/healthz"], 0, "ok", r"ssl_verify_client off \(.*:7\)"),
    ("expired", ["--location", "/healthz/"], 1, "cert_expired", r"ssl_verify_client on \(.*:5\)"),
    ("expired", ["--location", "/new"], 0, None, r"ssl_verify_client report \(.*:9\)"),
    ("other-ca", ["--server", "GUESTS.example.com."], 0, "ok", r"ssl_verify_client optional_no_ca \(.*:15\)"),
    ("self-signed", ["--server", "guests.example.com:8443"], 0, "ok", r"ssl_verify_client optional_no_ca \(.*:15\)"),
])
def test_rule_that_decides_is_named_with_its_line(configured, certs, cert, words, status, code, rule):
    got = configured(RULES, *words, cert_path(certs, cert))
    assert (got.status, got.code) == (status, code), got
    assert re.fullmatch(rule, got.part("rule")), got


def test_report_mode_is_told_as_what_it_is(configured, certs):
    got = configured(RULES, "--location", "/new", cert_path(certs, "expired"))
    assert got.text.startswith("accepted, but would be refused without ssl_verify_client report: cert_expired\n"), got


@pytest.mark.parametrize("words, problem", [
    (["--server", "plain.example.com"], 'no server "plain.example.com" listens with ssl'),
    (["--server", "api.example.com:1"], 'no server "api.example.com:1" listens with ssl'),
    (["--location", "/../.."], "is not one"),
    (["--time", "tomorrow"], 'invalid time "tomorrow"'),
    (["/nowhere"], 'cannot read certificates from "/nowhere": No such file'),
])
def test_what_cannot_be_told_is_said_with_status_2(configured, certs, words, problem):
    got = configured(RULES, *words, cert_path(certs, "client"))
    assert got.status == 2 and problem in got.errors and got.text == "", got


def test_broken_configuration_is_status_2(configured, certs):
    got = configured("server { listn 1; }", cert_path(certs, "client"))
    assert got.status == 2 and 'unknown directive "listn"' in got.errors, got


def test_key_of_the_server_need_not_be_readable(configured, certs):
    got = configured(RULES.replace("{certs}/server.key", "/nowhere.key").replace("{certs}/server.crt", "/nowhere.crt"),
                     cert_path(certs, "client"))
    assert (got.status, got.code) == (0, "ok"), got


def test_without_configuration_by_files_alone(explain, certs):
    rogue = certs / "rogues"
    ca = ["--ca", certs / "ca.crt"]
    assert explain(*ca, certs / "client.crt").status == 0
    missing = explain(*ca, rogue / "intermediate-missing.crt")
    assert missing.code == "issuer_unknown" and "CN=my-intermediate" in missing.part("cure"), missing
    assert "neither sent nor known" in missing.text
    intermediate = (rogue / "intermediate.chain.crt").read_text().split("-----END CERTIFICATE-----\n", 1)[1]
    (rogue / "explain-intermediate.crt").write_text(intermediate)
    assert explain(*ca, "--intermediates", rogue / "explain-intermediate.crt", rogue / "intermediate-missing.crt").status == 0
    assert explain(*ca, rogue / "chain-too-long.chain.crt").code == "chain_too_long"
    assert explain(*ca, "--depth", "2", rogue / "chain-too-long.chain.crt").code == "ok"
    assert explain(*ca, "--crl", rogue / "crl.pem", rogue / "revoked.crt").code == "cert_revoked"


@pytest.mark.parametrize("rogue, end", [
    ("self-signed", "it is its own issuer, and not trusted"), ("bad-signature", "CN=my-ca  did not sign it in a way that is accepted"),
    ("other-ca", "CN=other-ca  neither sent nor known to the server")])
def test_chain_that_leads_to_no_ca_is_shown_to_its_end(explain, certs, rogue, end):
    got = explain("--ca", certs / "ca.crt", certs / f"rogues/{rogue}.crt")
    assert f"\n     `- -- {end}\n" in got.text and "NO signatures up to a trusted CA" in got.text, got


def test_time_can_be_another_one(explain, certs):
    ca = ["--ca", certs / "ca.crt"]
    later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=4000)
    for text in later.strftime("%Y-%m-%d"), later.strftime("%Y-%m-%dT%H:%M:%SZ"), later.strftime("%Y-%m-%dT%H:%M:%S+01:00"):
        assert explain(*ca, "--time", text, certs / "client.crt").code == "cert_expired"
    assert explain(*ca, "--time", "2020-01-31", certs / "client.crt").code == "cert_not_yet_valid"


def test_der_and_standard_input_and_key_beside_it(explain, certs, tmp_path):
    ca = ["--ca", certs / "ca.crt"]
    der = subprocess.run(["openssl", "x509", "-in", certs / "client.crt", "-outform", "DER"], capture_output=True, check=True)
    assert explain(*ca, "-", stdin=der.stdout).status == 0
    assert explain(*ca, "-", stdin=(certs / "combined.pem").read_bytes()).status == 0
    assert explain(*ca, "-", stdin=b"").status == 2


def test_pkcs12_with_a_password_from_a_file(explain, certs, tmp_path):
    (tmp_path / "password").write_text("client\n")
    words = ["--ca", certs / "ca.crt", certs / "client.p12"]
    assert explain("--password-file", tmp_path / "password", *words).status == 0
    (tmp_path / "password").write_text("wrong\n")
    refused = explain("--password-file", tmp_path / "password", *words)
    assert refused.status == 2 and "its password is another one" in refused.errors, refused


def test_pkcs12_asks_at_the_terminal_and_shows_nothing_of_the_answer(binary, certs):
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(binary, [str(binary), "explain", "--ca", str(certs / "ca.crt"), str(certs / "client.p12")])
    said = b""
    while b"Password: " not in said:
        said += os.read(terminal, 4096)
    os.write(terminal, b"client\n")
    with contextlib.suppress(OSError):  # EIO is the terminal's end
        while more := os.read(terminal, 4096):
            said += more
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, said
    os.close(terminal)
    assert b"accepted" in said and b"client\r" not in said.split(b"accepted")[0], said
    assert b"\033[32m" in said


def test_without_a_terminal_there_is_no_colour(explain, certs):
    assert "\033" not in explain("--ca", certs / "ca.crt", certs / "client.crt").text


TOLD = """
map $ssl_client_s_dn $who { default nobody; CN=client "the client"; CN=other "$remote_addr"; }
map $who $again { "the client" "$who, again"; }
map $ssl_client_s_dn $where { default $remote_addr; }
map $where $which { default "some place"; }
map $ssl_client_s_dn $round { default "$and_round"; }
map $round $and_round { default $round; }
server {
    listen {port} ssl; ssl_certificate {certs}/server.crt; ssl_certificate_key {certs}/server.key;
    ssl_client_certificate {certs}/ca.crt; ssl_verify_client on;
    location /knotty {
        proxy_set_header X-Where "$ssl_client_cn $which"; proxy_set_header X-Round "$ssl_client_cn $and_round";
        proxy_pass http://upstream:1;
    }
    proxy_client_identity rfc9440 nginx ingress-nginx xfcc traefik aws cloudflare;
    location / {
        proxy_set_header X-Who $again; proxy_set_header X-Verify "$ssl_client_verify until $ssl_client_v_end";
        proxy_set_header X-From "$ssl_client_cn at $remote_addr"; proxy_set_header X-Cert $ssl_client_raw_cert; proxy_set_header X-Folded $ssl_client_cert;
        proxy_set_header X-Empty $ssl_client_spiffe_id; proxy_set_header X-Other $remote_addr;
        proxy_pass http://upstream:1;
    }
    location /none { return 200; }
}
"""


def test_upstream_is_told_what_explain_says(proxy, upstream, explain, certs):
    gate = proxy(TOLD.replace("upstream:1", upstream.address))
    seen = dict(gate.curl().json()["headers"])
    told = json.loads(explain("--json", "-c", gate.config_path, certs / "client.crt").text)["upstream"]
    assert told["url"] == "http://" + upstream.address
    fields = {f["name"]: f for f in told["fields"]}
    assert not fields["X-Cert"]["is_sent"] and "X-Cert" not in seen
    assert fields["X-From"]["value"] == "client at $remote_addr" and seen["X-From"] == "client at 127.0.0.1"
    assert fields["X-Who"]["value"] == "the client, again"
    assert not {"X-Empty", "X-Other"} & set(fields)
    given = {name: f["value"] for name, f in fields.items() if name not in ("X-Cert", "X-From")}
    assert len(given) > 15
    assert given == {name: value for name, value in seen.items() if name in given}
    knotty = json.loads(explain("--json", "--location", "/knotty", "-c", gate.config_path, certs / "client.crt").text)["upstream"]
    knotty = {f["name"]: f["value"] for f in knotty["fields"]}
    assert knotty["X-Where"] == "client $which" and knotty["X-Round"].startswith("client $")
    assert "upstream" not in json.loads(explain("--json", "--location", "/none", "-c", gate.config_path, certs / "client.crt").text)


SCRIPTS = """
map $ssl_client_s_dn $tenant { default ""; CN=client acme; }
server {
    listen {port} ssl; ssl_certificate {certs}/server.crt; ssl_certificate_key {certs}/server.key;
    ssl_client_certificate {certs}/ca.crt; ssl_verify_client optional_no_ca;
    set $seen $ssl_client_verify;
    location /if { if ($ssl_client_verify != SUCCESS) { return 403; } proxy_pass http://upstream:1; }
    location /set { if ($seen ~ ^FAILED) { return 401; } proxy_pass http://upstream:1; }
    location /map { if ($tenant = "") { return 402; } proxy_pass http://upstream:1; }
    location /block { proxy_set_header X-Tenant none; if ($tenant) { proxy_pass http://upstream:1; } proxy_pass http://upstream:1; }
    location /open { if ($arg_x) { return 403; } proxy_pass http://upstream:1; }
    location /all { return 410; }
}
"""


def test_conditions_on_the_client_are_followed_as_the_gate_runs_them(proxy, upstream, explain, certs):
    gate = proxy(SCRIPTS.replace("upstream:1", upstream.address))
    for path, cert in itertools.product(["/if", "/set", "/map", "/block", "/open", "/all"], ["client", "other-ca", "expired"]):
        words = ["-c", gate.config_path, "--location", path, cert_path(certs, cert)]
        status, got, answer = gate.curl(path=path, cert=cert).status, explain(*words), json.loads(explain("--json", *words).text)
        if path == "/all" and cert != "expired":  # nobody is refused for what they are
            assert got.status == 0 and status == answer["returned"]["status"] == 410
            continue
        assert (got.status == 1, answer["accepted"]) == (status >= 400, status < 400), (path, cert, status, got)
        if status >= 400 and cert != "expired":
            assert answer["returned"]["status"] == status and f"refused: return {status} (" in got.text and got.part("cure"), got
        assert ("depends on the request, too" in got.text) == (path == "/open" and got.status == 0), got


def test_json_says_what_the_text_says(configured, certs):
    got = json.loads(configured(RULES, "--json", "--location", "/admin", certs / "client.crt").text)
    assert (got["accepted"], got["reason"], got["verify"]) == (False, "not_permitted", "SUCCESS")
    assert got["location"]["name"] == "/admin" and got["location"]["line"] == 8
    assert (got["rule"]["text"], got["rule"]["line"]) == ("ssl_client_allow cn, the last; none matched", 8)
    assert [(c["subject"], c["source"], c["good"]) for c in got["chain"]] == [("CN=client", "sent", True), ("CN=my-ca", "trusted", True)]
    assert {c["outcome"] for c in got["checks"]} == {"passed", "not_made"}
    assert got["cure"] and "upstream" not in got


def test_json_has_each_failed_check_and_what_was_not_used(explain, certs):
    got = explain("--json", "--ca", certs / "ca.crt", "--time", "2040-01-01", certs / "rogues/eku-server.crt", certs / "server.crt")
    assert got.status == 1
    got = json.loads(got.text)
    assert got["reason"] == "cert_expired" and got["time"] == "2040-01-01T00:00:00Z"
    assert [(c["name"], c["reason"]) for c in got["checks"] if c["outcome"] == "failed"] == [
        ("dates", "cert_expired"), ("purposes", "eku_wrong")]
    assert [c["good"] for c in got["chain"]] == [False, False]  # the CA has ended by then, too
    assert [c["subject"] for c in got["unused"]] == ["CN=localhost"]
    assert "server" not in got and "rule" not in got


def test_refusal_is_found_in_the_log_by_the_id_that_its_page_shows(proxy, upstream, explain):
    gate = proxy(ARTICLE.replace("web_server:port", upstream.address))
    answer = gate.curl("-H", "Accept: application/json", cert="expired")
    request_id = answer.json()["request_id"]
    words = ["-c", gate.config_path, "-p", gate.folder, "-g", gate.main]
    got = explain(*words, "--log-id", request_id)
    assert (got.status, got.code) == (1, "cert_expired") and got.text.splitlines()[1].startswith("CN=client expired"), got
    assert got.part("request").startswith("client: 127.0.0.1") and got.part("cure")
    got = json.loads(explain(*words, "--json", "--log-id", request_id[:8]).text)
    assert (got["reason"], got["log"]["file"]) == ("cert_expired", str(gate.log_path))
    again = gate.curl("-H", "Accept: application/json", cert="expired").json()["request_id"]
    counted = explain(*words, "--log-id", again)
    assert counted.status == 2 and "the others are counted" in counted.errors and str(gate.log_path) in counted.errors


def test_a_log_steers_no_terminal(configured, tmp_path):
    log = tmp_path / "steers.log"
    log.write_text("2026/11/30 20:29:39 [error] 1#1: *24 client certificate refused: cert_expired: CN=\x1b[2Jx\\x1B expired, client: "
                   '127.0.0.1, request: "GET /\x1b[31m HTTP/1.1", request id: "2396128ed593f63ecca88b125936f706"\n')
    got = configured(f"error_log {log}; events {{}} http {{ access_log off; }}", "--log-id", "2396128e")
    assert got.status == 1 and "\x1b" not in got.text, got
    assert r"CN=\x1B[2Jx\x1B expired" in got.text and r"GET /\x1B[31m" in got.text


def test_log_that_is_no_file_is_said(configured):
    got = configured("error_log stderr; events {} http { access_log off; }", "--log-id", "abc")
    assert got.status == 2 and "are no files" in got.errors


@pytest.mark.parametrize("versions", ["TLSv1.2", "TLSv1.3"])
def test_what_another_server_asks_of_its_clients(proxy, upstream, explain, certs, versions):
    gate = proxy(ARTICLE.replace("web_server:port", upstream.address).replace("ssl_verify_client on;", f"ssl_verify_client on; ssl_protocols {versions};"))
    where = f"localhost:{gate.port}"
    asked = explain("--connect", where)
    assert asked.status == 0 and f"speaks {versions}, " in asked.text, asked
    assert "of these authorities\n  CN=my-ca\n" in asked.text and "  ecdsa_secp256r1_sha256\n" in asked.text, asked
    assert explain("--connect", where, certs / "client.crt").text.endswith("The certificate fits: a client would show it.\n")
    for rogue, words in ("other-ca", "none of its issuers"), ("ed25519", "no signature that its key can make"):
        got = explain("--connect", where, certs / f"rogues/{rogue}.crt")
        assert got.status == 1 and words in got.text, got
    got = json.loads(explain("--json", "--connect", where, certs / "client.crt").text)
    assert (got["asks"], got["authorities"], got["fits"], got["protocol"]) == (True, ["CN=my-ca"], True, versions)


def test_server_that_asks_nobody_and_one_that_is_not_there(proxy, explain):
    gate = proxy("server { listen {port} ssl; ssl_certificate {certs}/server.crt; ssl_certificate_key {certs}/server.key; return 200; }")
    asked = explain("--connect", f"127.0.0.1:{gate.port}")
    assert asked.status == 0 and "asks for no client certificate" in asked.text, asked
    gate.stop()
    gone = explain("--connect", f"127.0.0.1:{gate.port}")
    assert gone.status == 2 and "connect() failed (111: Connection refused)" in gone.errors, gone


def test_server_that_ends_the_handshake_without_a_certificate_has_asked(explain, certs):
    port = free_port()
    # OpenSSL 3.5's s_server ends with its input.
    server = subprocess.Popen(["openssl", "s_server", "-accept", str(port), "-cert", certs / "server.crt", "-key", certs / "server.key",
                               "-CAfile", certs / "ca.crt", "-Verify", "1", "-verify_return_error", "-tls1_2", "-quiet"],
                              stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        asked = wait_until(lambda: (got := explain("--connect", f"127.0.0.1:{port}")).status == 0 and got, "the server")
        assert "speaks TLSv1.2, and ends the handshake" in asked.text and "CN=my-ca" in asked.text, asked
    finally:
        server.kill()
        server.communicate()


def test_help(explain):
    assert "--location path" in explain("-h").errors and explain("-h").status == 0
