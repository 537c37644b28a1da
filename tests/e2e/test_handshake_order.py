"""Nobody is who he says without a CertificateVerify in its place (RFC 8446, 4.4): what a TLS 1.3 client may say instead."""
import ssl

import pytest

from harness import Connection
from tls13 import CERTIFICATE_VERIFY, CHANGE_CIPHER_SPEC, DATA, FINISHED, HANDSHAKE, KEY_UPDATE, Client, message

PSS = (0x0804, "-sha256", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest")
P256 = (0x0403, "-sha256")


class World:
    """Somebody with a good certificate, somebody with one of his own, and what they can say."""

    def __init__(self, certs):
        self.good, self.key = self.der(certs / "client.crt"), certs / "client.key"
        self.own, self.own_key = self.der(certs / "rogues/self-signed.crt"), certs / "rogues/self-signed.key"

    @staticmethod
    def der(path):
        return ssl.PEM_cert_to_DER_cert(path.read_text())


def good(c, w):
    c.say(c.certificate(w.good))
    c.say(c.certificate_verify(w.key, *PSS))
    c.say(c.finished())


def with_other_records_between(c, w):
    for make in (lambda: c.certificate(w.good), lambda: c.certificate_verify(w.key, *PSS), c.finished):
        c.write(CHANGE_CIPHER_SPEC, b"\1", "clear")
        c.say(make())


def in_one_record(c, w):
    a = c.certificate(w.good)
    b = c.certificate_verify(w.key, *PSS, said=c.said + a)
    c.write(HANDSHAKE, a + b + c.finished(c.said + a + b))


def saying(*messages):
    """Each made when the one before was said: names of the functions below."""
    def say(c, w):
        for make in messages:
            c.say(make(c, w))
    return say


def nobody(c, w):
    return c.certificate()


def the_good(c, w):
    return c.certificate(w.good)


def his_own(c, w):
    return c.certificate(w.own)


def verified(c, w):
    return c.certificate_verify(w.key, *PSS)


def verified_by_his_own(c, w):
    return c.certificate_verify(w.own_key, *P256)


def finished(c, w):
    return c.finished()


def but(of, change):
    return lambda c, w: change(of(c, w))


def key_update(c, w):
    return message(KEY_UPDATE, b"\0")


def data_before(keys):
    def say(c, w):
        c.write(DATA, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", keys)
        good(c, w)
    return say


def behind_finished(c, w):
    c.say(the_good(c, w))
    c.say(verified(c, w))
    c.write(HANDSHAKE, c.finished() + key_update(c, w))


def finished_over_two_keys(c, w):
    c.say(the_good(c, w))
    c.say(verified(c, w))
    c.write(HANDSHAKE, c.finished()[:5])
    c.write(HANDSHAKE, c.finished()[5:], "data")


def after_the_handshake(c, w):
    saying(nobody, finished)(c, w)
    c.say(the_good(c, w), "data")
    c.say(verified(c, w), "data")


def half_a_key_update_then_data(c, w):
    good(c, w)
    c.write(HANDSHAKE, key_update(c, w)[:3], "data")


ROWS = {
    "good": (good, 200),
    "in one record": (in_one_record, 200),
    "ChangeCipherSpec between": (with_other_records_between, 200),
    "no certificate": (saying(nobody, finished), 403),
    "Finished alone": (saying(finished), 10),
    "nothing but data": (saying(), 20),
    "no CertificateVerify": (saying(the_good, finished), 10),
    "CertificateVerify first": (saying(verified, the_good, finished), 10),
    "no certificate, then one": (saying(nobody, the_good, verified, finished), 10),
    "his own, then the good one": (saying(his_own, the_good, verified_by_his_own, finished), 10),
    "the good one after his own was verified": (saying(his_own, verified_by_his_own, the_good, finished), 10),
    "the good one after Finished": (saying(his_own, verified_by_his_own, finished, the_good), 20),
    "no certificate, verified": (saying(nobody, verified, finished), 10),
    "his own key, the good one behind it": (saying(lambda c, w: c.certificate(w.own, w.good), verified, finished), 51),
    "the good one, his own key": (saying(the_good, verified_by_his_own, finished), 51),
    "a server's": (saying(the_good, lambda c, w: c.certificate_verify(w.key, *PSS, who=b"server"), finished), 51),
    "of another transcript": (saying(the_good, lambda c, w: c.certificate_verify(w.key, *PSS, said=b"x"), finished), 51),
    "PKCS #1 v1.5": (saying(the_good, lambda c, w: c.certificate_verify(w.key, 0x0401, "-sha256"), finished), 51),
    "P-384's scheme": (saying(his_own, lambda c, w: c.certificate_verify(w.own_key, 0x0503, "-sha384"), finished), 51),
    "SHA-1": (saying(the_good, lambda c, w: c.certificate_verify(w.key, 0x0201, "-sha1"), finished), 51),
    "no signature": (saying(the_good, lambda c, w: message(CERTIFICATE_VERIFY, b"\x08\x04\0\0"), finished), 51),
    "something behind it": (saying(the_good, but(verified, lambda m: message(CERTIFICATE_VERIFY, m[4:] + b"x")), finished), 50),
    "a context": (saying(lambda c, w: c.certificate(w.good, context=b"x"), verified, finished), 50),
    "a wrong Finished": (saying(the_good, verified, but(finished, lambda m: m[:-1] + bytes([m[-1] ^ 1]))), 51),
    "a short Finished": (saying(the_good, verified, but(finished, lambda m: message(FINISHED, m[4:-1]))), 50),
    "data under the data's keys first": (data_before("data"), 20),
    "data under the handshake's keys first": (data_before("handshake"), 10),
    "KeyUpdate first": (saying(key_update, the_good, verified, finished), 10),
    "KeyUpdate behind Finished": (behind_finished, (10, 20)),  # 20: mbedTLS before 3.6.7
    "Finished over two keys": (finished_over_two_keys, 20),
    "Certificate in the clear": (lambda c, w: c.say(the_good(c, w), "clear"), 20),
    "a certificate afterwards": (after_the_handshake, 10),
    "data in the middle of a KeyUpdate": (half_a_key_update_then_data, 10),
}


@pytest.fixture
def gate(proxy, upstream):
    return proxy("server { listen {port} ssl; server_name localhost; ssl_certificate {certs}/server.crt; "
                 "ssl_certificate_key {certs}/server.key; ssl_client_certificate {certs}/ca.crt; ssl_verify_client on; "
                 "location / { proxy_pass http://%s; } }" % upstream.address)


def test_who_proves_nothing_is_nobody(gate, upstream):
    world = World(gate.certs)
    for name, (say, outcome) in ROWS.items():
        before = len(upstream.requests)
        with Connection(gate.plain().sock) as connection:
            client = Client(connection)
            say(client, world)
            client.ask()
            assert client.outcome() in (outcome if isinstance(outcome, tuple) else (outcome,)), name
        assert len(upstream.requests) - before == (1 if outcome == 200 else 0), name
