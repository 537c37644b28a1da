"""proxy_client_identity: each family of headers as its product documents it, and for verified clients alone."""
import base64
import hashlib
import subprocess
import urllib.parse

import pytest

from harness import cert_path, header_values


def openssl(path, *args):
    return subprocess.run(["openssl", "x509", "-noout", "-in", path, *args], check=True, capture_output=True, text=True).stdout.strip()


def der_of(path):
    return subprocess.run(["openssl", "x509", "-in", path, "-outform", "DER"], check=True, capture_output=True).stdout


def dn(path, which="subject"):
    return openssl(path, f"-{which}", "-nameopt", "RFC2253").split("=", 1)[1]


def legacy(path, which="subject"):
    return openssl(path, f"-{which}", "-nameopt", "compat").split("=", 1)[1].strip()


@pytest.fixture
def gate(proxy, upstream):
    def make(preset, more=""):
        return proxy("""server { listen {port} ssl; ssl_certificate {certs}/server.crt; ssl_certificate_key {certs}/server.key;
            ssl_client_certificate {certs}/ca.crt; ssl_verify_client optional;
            proxy_client_identity %s; %s location / { proxy_pass http://%s; } }""" % (preset, more, upstream.address))
    return make


def ask(proxy, cert, headers=""):
    with proxy.tls(cert) as c:
        answer = c.get(headers=headers)
    assert answer.status == 200, answer
    return answer.json()


def fields(seen):
    return {n: v for n, v in seen["headers"] if n not in ("Host", "Connection")}


def test_rfc9440(gate, certs):
    """RFC 9440, 2.2 and 2.3: a byte sequence each; the leaf is not in the chain, the anchor may be left out."""
    proxy = gate("rfc9440", "ssl_verify_depth 2;")
    leaf = f":{base64.b64encode(der_of(certs / 'client.crt')).decode()}:"
    assert fields(ask(proxy, "client")) == {"Client-Cert": leaf}
    seen = fields(ask(proxy, "intermediate"))
    sent = cert_path(certs, "intermediate").read_text().split("-----END CERTIFICATE-----")[1]
    assert seen["Client-Cert-Chain"] == ":" + "".join(sent.split("-----")[-1].split()) + ":"


def test_nginx(gate, certs):
    """As the variables of https://nginx.org/en/docs/http/ngx_http_ssl_module.html#variables are called."""
    path = certs / "client.crt"
    assert fields(ask(gate("nginx"), "client")) == {
        "X-SSL-Client-Verify": "SUCCESS", "X-SSL-Client-S-DN": "CN=client", "X-SSL-Client-I-DN": "CN=my-ca",
        "X-SSL-Client-Serial": openssl(path, "-serial").split("=")[1],
        "X-SSL-Client-Fingerprint": hashlib.sha1(der_of(path)).hexdigest(),
        "X-SSL-Client-Cert": urllib.parse.quote(path.read_text(), safe="")}


def test_ingress_nginx(gate, certs):
    """https://kubernetes.github.io/ingress-nginx/examples/auth/client-certs/"""
    assert fields(ask(gate("ingress-nginx"), "client")) == {
        "ssl-client-verify": "SUCCESS", "ssl-client-subject-dn": "CN=client", "ssl-client-issuer-dn": "CN=my-ca",
        "ssl-client-cert": urllib.parse.quote((certs / "client.crt").read_text(), safe="")}


def test_xfcc(gate, certs):
    """https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers#x-forwarded-client-cert"""
    proxy = gate("xfcc")
    path = certs / "client.crt"
    assert fields(ask(proxy, "client")) == {"X-Forwarded-Client-Cert": "Hash={};Cert=\"{}\";Subject=\"CN=client\";URI=".format(
        hashlib.sha256(der_of(path)).hexdigest(), urllib.parse.quote(path.read_text(), safe=""))}
    seen = fields(ask(proxy, "many-names"))["X-Forwarded-Client-Cert"]
    assert seen.endswith(";URI=spiffe://example.org/client;DNS=client.example.org;DNS=*.client.example.org")
    # A quote inside the subject ends no value: it is RFC 2253's hex pair.
    subject = seen.split('Subject="')[1].split('"')[0]
    assert subject == dn(certs / "rogues/many-names.crt").replace('\\"', "\\22").replace("\\\\", "\\5C")
    assert "\\22" in subject and subject.endswith("DC=org")


def test_traefik(gate, certs):
    """https://doc.traefik.io/traefik/reference/routing-configuration/http/middlewares/passtlsclientcert/"""
    proxy = gate("traefik")
    path = certs / "rogues/many-names.crt"
    seen = fields(ask(proxy, "many-names"))
    assert seen["X-Forwarded-Tls-Client-Cert"] == base64.b64encode(der_of(path)).decode()
    info = urllib.parse.unquote_plus(seen["X-Forwarded-Tls-Client-Cert-Info"])
    assert urllib.parse.quote_plus(info) == seen["X-Forwarded-Tls-Client-Cert-Info"]
    values = dict(part.split("=", 1) for part in info.split(";"))
    assert list(values) == ["Subject", "Issuer", "SerialNumber", "NB", "NA", "SAN"]
    # What separates is percent-encoded where it stands in a value.
    assert values["Subject"].startswith('"DC=org,DC=example,O=Example%2C %22Inc.%22,OU=Gr%C3%B6%C3%9Fe')
    assert values["Issuer"] == '"CN=my-ca"'
    assert values["SerialNumber"] == '"%d"' % int(openssl(path, "-serial").split("=")[1], 16)
    assert int(values["NA"].strip('"')) - int(values["NB"].strip('"')) == 365 * 86400
    assert values["SAN"] == ('"client.example.org,*.client.example.org,client@example.org,192.0.2.1,2001:db8::1,'
                             'spiffe://example.org/client"')


def test_traefik_serial_number_of_twenty_octets_is_decimal(gate):
    info = urllib.parse.unquote_plus(fields(ask(gate("traefik"), "long-serial"))["X-Forwarded-Tls-Client-Cert-Info"])
    assert 'SerialNumber="%d"' % (2 ** 159 - 1) in info


def test_aws(gate, certs):
    """https://docs.aws.amazon.com/elasticloadbalancing/latest/application/mutual-authentication.html"""
    path = certs / "client.crt"
    seen = fields(ask(gate("aws"), "client"))
    validity = seen.pop("X-Amzn-Mtls-Clientcert-Validity")
    dates = [openssl(path, f"-{d}date", "-dateopt", "iso_8601").split("=")[1].replace(" ", "T") for d in ("start", "end")]
    assert validity == "NotBefore={};NotAfter={}".format(*dates)
    assert seen == {
        "X-Amzn-Mtls-Clientcert-Serial-Number": openssl(path, "-serial").split("=")[1],
        "X-Amzn-Mtls-Clientcert-Issuer": "CN=my-ca", "X-Amzn-Mtls-Clientcert-Subject": "CN=client",
        "X-Amzn-Mtls-Clientcert-Leaf": urllib.parse.quote(path.read_text(), safe="+=/")}


def test_cloudflare(gate, certs):
    """https://developers.cloudflare.com/rules/transform/managed-transforms/reference/ ("Add TLS client auth headers") and
    https://developers.cloudflare.com/ssl/client-certificates/forward-a-client-certificate/"""
    path = certs / "client.crt"
    der = der_of(path)
    assert fields(ask(gate("cloudflare"), "client")) == {
        "Cf-Client-Cert-Der-Base64": base64.b64encode(der).decode(), "Cf-Client-Cert-Sha256": hashlib.sha256(der).hexdigest(),
        "Cf-Cert-Presented": "true", "Cf-Cert-Verified": "true", "Cf-Cert-Revoked": "false",
        "Cf-Cert-Issuer-Dn": "CN=my-ca", "Cf-Cert-Subject-Dn": "CN=client",
        "Cf-Cert-Issuer-Dn-Rfc2253": "CN=my-ca", "Cf-Cert-Subject-Dn-Rfc2253": "CN=client",
        "Cf-Cert-Issuer-Dn-Legacy": "/CN=my-ca", "Cf-Cert-Subject-Dn-Legacy": "/CN=client",
        "Cf-Cert-Serial": openssl(path, "-serial").split("=")[1],
        "Cf-Cert-Fingerprint-Sha256": hashlib.sha256(der).hexdigest(),
        "Cf-Cert-Fingerprint-Sha1": hashlib.sha1(der).hexdigest(),
        "Cf-Cert-Not-Before": openssl(path, "-startdate").split("=")[1],
        "Cf-Cert-Not-After": openssl(path, "-enddate").split("=")[1]}


ALL = "rfc9440 nginx ingress-nginx xfcc traefik aws cloudflare"


def test_nothing_is_said_of_a_client_without_certificate_nor_may_it_say_it(gate):
    proxy = gate(ALL)
    names = list(fields(ask(proxy, "client")))
    assert len(names) == 36 - 1  # no chain
    forged = "".join(f"{n}: forged\r\n" for n in names) + "Client-Cert-Chain: forged\r\n"
    assert fields(ask(proxy, None, forged)) == {}
    seen = ask(proxy, "client", forged + "Connection: " + ", ".join(names) + "\r\n")
    assert "forged" not in str(seen) and [n for n in names if len(header_values(seen, n)) != 1] == []


def test_a_client_with_an_unknown_issuer_is_told_of_by_no_preset(proxy, upstream):
    gate = proxy("""server { listen {port} ssl; ssl_certificate {certs}/server.crt; ssl_certificate_key {certs}/server.key;
        ssl_client_certificate {certs}/ca.crt; ssl_verify_client optional_no_ca; proxy_client_identity %s;
        location / { proxy_pass http://%s; } }""" % (ALL, upstream.address))
    assert fields(ask(gate, "self-signed")) == {}


def test_proxy_set_header_has_the_last_word(gate):
    proxy = gate("ingress-nginx", 'proxy_set_header SSL_Client_Verify "by hand"; proxy_set_header ssl-client-cert "";')
    seen = ask(proxy, "client")
    assert header_values(seen, "SSL_Client_Verify") == ["by hand"] and header_values(seen, "ssl-client-verify") == []
    assert header_values(seen, "ssl-client-cert") == [] and header_values(seen, "ssl-client-issuer-dn") == ["CN=my-ca"]


def test_names_may_be_added_to_those_removed(gate):
    proxy = gate("off", "proxy_client_identity_strip X-Badge X-Desk; underscores_in_headers on;")
    assert fields(ask(proxy, "client", "x_badge: 1\r\nX-DESK: 2\r\nX-Badges: 3\r\n")) == {"X-Badges": "3"}


def test_what_a_preset_sets_cannot_be_let_through_beside_it(gate):
    proxy = gate("ingress-nginx", "proxy_client_identity_pass SSL-Client-Verify from 127.0.0.0/8; underscores_in_headers on;")
    for cert, values in (("client", ["SUCCESS"]), (None, [])):
        seen = ask(proxy, cert, "ssl_client_verify: forged\r\nSSL-Client-Verify: forged\r\n")
        assert [v for n, v in seen["headers"] if n.lower().replace("_", "-") == "ssl-client-verify"] == values
