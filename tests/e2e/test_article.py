"""The article followed word for word: curl, combined.pem, openssl s_client, Ruby."""
import re
import subprocess

import pytest

from harness import WAIT, header_values


def test_client_with_certificate_reaches_the_web_server(gate, upstream):
    answer = gate.curl(path="/hello?x=1")
    assert answer.status == 200, answer
    assert answer.json()["target"] == "/hello?x=1"
    assert len(upstream.requests) == 1


def test_combined_pem_serves_as_certificate_and_key(gate):
    answer = gate.curl("--cert", str(gate.certs / "combined.pem"), cert=None)
    assert answer.status == 200, answer


def test_client_without_certificate_gets_403_and_the_reason(gate, upstream):
    answer = gate.curl(cert=None)
    assert answer.status == 403
    assert b"cert_missing" in answer.body
    assert answer.headers["connection"] == "close"
    assert answer.headers["cache-control"] == "no-store"
    assert upstream.accepted == 0
    line = gate.logged("client certificate refused: cert_missing")
    request = re.search(rb"Request ([0-9a-f]{32})", answer.body)
    assert request and f'request id: "{request[1].decode()}"' in line


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_s_client_shows_the_acceptable_ca_names(gate, version):
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{gate.port}", version, "-CAfile",
                           gate.certs / "ca.crt", "-cert", gate.certs / "combined.pem", "-key",
                           gate.certs / "combined.pem", "-ign_eof"],
                          input=b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n", capture_output=True, timeout=WAIT)
    said = done.stdout.decode()
    assert "Acceptable client certificate CA names\nCN = my-ca" in said or \
           "Acceptable client certificate CA names\nCN=my-ca" in said, said
    assert "200 OK" in said, said


RUBY = """
require 'net/http'
require 'openssl'
uri = URI.parse(ARGV[0])
http = Net::HTTP.new(uri.host, uri.port)
http.use_ssl = true
http.cert = OpenSSL::X509::Certificate.new(File.read('client.crt'))
http.key = OpenSSL::PKey.read(File.read('client.key'))
http.ca_file = 'ca.crt'
response = http.request(Net::HTTP::Get.new('/ruby'))
puts "Response Code: #{response.code}"
puts "Response Body: #{response.body}"
"""


def test_ruby_net_http_reaches_the_web_server(gate):
    done = subprocess.run(["ruby", "-e", RUBY, f"https://localhost:{gate.port}/"], cwd=gate.certs,
                          capture_output=True, text=True, timeout=2 * WAIT)
    assert "Response Code: 200" in done.stdout, done
    assert '"target": "/ruby"' in done.stdout


def test_proxy_set_header_works_as_people_write_it(proxy, upstream):
    gate = proxy("""
        server {
            listen {port} ssl;
            ssl_certificate {certs}/server.crt;
            ssl_certificate_key {certs}/server.key;
            ssl_client_certificate {certs}/ca.crt;
            ssl_verify_client on;
            location / {
                proxy_set_header X-Client-DN $ssl_client_s_dn;
                proxy_set_header X-Client-Verify $ssl_client_verify;
                proxy_set_header X-Client-Serial $ssl_client_serial;
                proxy_pass http://%s;
            }
        }""" % upstream.address)
    seen = gate.curl("-H", "X-Client-DN: CN=root", "-H", "x_client_dn: CN=root").json()
    assert header_values(seen, "X-Client-DN") == ["CN=client"]
    assert header_values(seen, "X-Client-Verify") == ["SUCCESS"]
    serial = subprocess.run(["openssl", "x509", "-in", gate.certs / "client.crt", "-noout", "-serial"],
                            capture_output=True, text=True).stdout.strip().split("=")[1]
    assert header_values(seen, "X-Client-Serial") == [serial]


def test_plain_http_on_the_tls_port_gets_400(gate, upstream):
    with gate.plain() as c:
        answer = c.get()
    assert answer.status == 400
    assert b"HTTPS" in answer.body
    assert upstream.accepted == 0
