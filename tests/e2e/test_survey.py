"""portcullis -t: the table of what a configuration asks of clients, and what it hardly meant."""
import re
import subprocess

import pytest

from harness import ARTICLE, WAIT, free_port

GATE = """
server {
    listen {port} ssl; server_name api.example.com *.example.org;
    ssl_certificate {certs}/server.crt; ssl_certificate_key {certs}/server.key;
    ssl_client_certificate {certs}/ca.crt; ssl_verify_client on; ssl_crl {certs}/rogues/crl.pem;
    location / { return 200; }
    location /healthz { ssl_verify_client off; return 200; }
    location /admin { ssl_client_deny cn mallory; return 200; }
}
server { listen {port2}; return 301 https://api.example.com$request_uri; }
"""


@pytest.fixture
def tested(binary, certs, tmp_path):
    def run(text, *words):
        for name in "{port2}", "{port}":
            text = text.replace(name, f"127.0.0.1:{free_port()}")
        (tmp_path / "t.conf").write_text(text.replace("{certs}", str(certs)))
        done = subprocess.run([binary, "-t", "-c", tmp_path / "t.conf", "-p", tmp_path, "-g", f"pid {tmp_path}/pid;", *words],
                              capture_output=True, text=True, timeout=WAIT)
        assert done.returncode == 0, done.stderr
        return done
    return run


def test_table_shows_servers_demands_authorities_and_lists(tested):
    table = tested(GATE).stdout
    for pattern in (r"^  server api\.example\.com \*\.example\.org \(.*t\.conf:2\)$", r"listens   127\.0\.0\.1:\d+, TLS, default$",
                    r"clients   on \(.*:5\)$", r"/healthz  off \(.*:7\)$", r"/admin    on, 1 rule of .* \(.*:5\)$",
                    r"shows     CN=localhost, ends \d{4}-\d\d-\d\d, 36\d days left$", r"^  authorities of .*ca\.crt .*crl\.pem$",
                    r"CN=my-ca: trusted, ends \d{4}-\d\d-\d\d, 36\d days left$", r"list of CN=my-ca: 1 entry, next update .* days left$"):
        assert re.search(pattern, table, re.M), (pattern, table)


def test_article_block_is_tested_without_a_warning_of_the_lints(tested):
    done = tested(ARTICLE.replace("web_server:port", "127.0.0.1:9"))
    assert [line for line in done.stderr.splitlines() if "[warn]" in line and "X-Forwarded-For" not in line] == []
    assert "note: \"if ($ssl_client_verify ...)\" decides nothing" in done.stdout


def test_findings_are_warnings_with_file_line_and_cure(tested):
    done = tested(GATE.replace("location / { return 200; }", "location / { proxy_set_header X $ssl_client_raw_cert; proxy_pass http://127.0.0.1:9; }"))
    assert re.search(r'\[warn\] "X" is never sent: .* in .*t\.conf:6; use \$ssl_client_escaped_cert', done.stderr), done.stderr


def test_ca_whose_key_cannot_be_used_is_not_called_trusted(tested):
    done = tested(GATE.replace("ssl_verify_client on;", "ssl_trusted_certificate {certs}/rogues/weak-rsa.crt; ssl_client_partial_chain on; ssl_verify_client on;"))
    assert "CN=client weak-rsa: its clients are refused, ends " in done.stdout, done.stdout
    assert re.search(r"\[warn\] the CA CN=client weak-rsa has an RSA key of 1024 bits: its clients are refused in .*t\.conf:2; use RSA of 2048", done.stderr), done.stderr


def test_quiet_and_dump_show_no_table(tested):
    assert tested(GATE, "-q").stdout == ""
    assert "authorities of" not in tested(GATE, "-T").stdout


def test_folder_of_clients_is_judged_by_each_server(tested, certs, tmp_path):
    folder = tmp_path / "clients"
    folder.mkdir()
    for name, source in ("alice.crt", "client.crt"), ("eddie.crt", "rogues/ed25519.crt"), ("old.pem", "rogues/expired.crt"), ("note.txt", None):
        (folder / name).write_text((certs / source).read_text() if source else "not a certificate")
    table = tested(GATE, "--clients", folder).stdout
    for pattern in (r"clients of .*clients at server \"api\.example\.com\"", r"ok alice\.crt: CN=client$", r"NO eddie\.crt: alg_unsupported, ",
                    r"NO old\.pem: cert_expired, ", r"-- note\.txt: there is no certificate in it$"):
        assert re.search(pattern, table, re.M), (pattern, table)


def test_folder_that_is_not_there_is_said(tested):
    assert 'cannot read the folder "/nowhere"' in tested(GATE, "--clients", "/nowhere").stderr
