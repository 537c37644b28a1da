"""A TLS 1.3 client that says what it is told, in any order (RFC 8446): X25519, TLS_AES_128_GCM_SHA256, no checks of its own."""
import hashlib
import hmac
import os
import pathlib
import subprocess
import sys

from harness import Connection

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "faults"))
from records import AesGcm, expand, label  # noqa: E402

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, DATA = 20, 21, 22, 23
CLIENT_HELLO, SERVER_HELLO, CERTIFICATE, CERTIFICATE_VERIFY, FINISHED, KEY_UPDATE = 1, 2, 11, 15, 20, 24
PRIME = 2 ** 255 - 19


def x25519(scalar, point):
    """RFC 7748, 5."""
    k = int.from_bytes(scalar, "little") & ~7 & ~(1 << 255) | 1 << 254
    x = int.from_bytes(point, "little") & ~(1 << 255)
    x2, z2, x3, z3 = 1, 0, x, 1
    for bit in range(254, -1, -1):
        if swap := k >> bit & 1:
            x2, z2, x3, z3 = x3, z3, x2, z2
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        da, cb, aa, bb = d * a, c * b, a * a, b * b
        x3, z3 = (da + cb) ** 2 % PRIME, x * (da - cb) ** 2 % PRIME
        x2, z2 = aa * bb % PRIME, (aa - bb) * (aa + 121665 * (aa - bb)) % PRIME
        if swap:
            x2, z2, x3, z3 = x3, z3, x2, z2
    return (x2 * pow(z2, -1, PRIME) % PRIME).to_bytes(32, "little")


def vector(octets, content):
    return len(content).to_bytes(octets, "big") + content


def message(kind, body):
    return bytes([kind]) + vector(3, body)


def secret(of, name, transcript):
    name = b"tls13 " + name
    return expand(of, b"\x00\x20" + vector(1, name) + vector(1, hashlib.sha256(transcript).digest()), 32, "sha256")


def extract(salt, material):
    return hmac.digest(salt, material, "sha256")


class Keys:
    def __init__(self, traffic):
        self.aes, self.iv = AesGcm(expand(traffic, label(b"key", 16), 16, "sha256")), expand(traffic, label(b"iv", 12), 12, "sha256")
        self.sequence = 0

    def nonce(self):
        number, self.sequence = self.sequence, self.sequence + 1
        return bytes(a ^ b for a, b in zip(self.iv, number.to_bytes(12, "big")))

    def seal(self, kind, content):
        header = b"\x17\x03\x03" + (len(content) + 17).to_bytes(2, "big")
        return header + self.aes.seal(self.nonce(), header, content + bytes([kind]))

    def open(self, content):
        """What is sealed once more is open again; the tag nobody looks at."""
        inner = self.aes.seal(self.nonce(), b"", content[:-16])[:-16].rstrip(b"\0")
        return inner[-1], inner[:-1]


class Client:
    """As far as the server's Finished. `said` is the transcript, to which say() adds; keys: "clear", "handshake", "data"."""

    def __init__(self, connection: Connection, name=b"localhost"):
        self.connection, self.said, self.unread, self.receives = connection, b"", b"", None
        private = os.urandom(32)
        share = self.hello(private, name)
        handshake = extract(secret(extract(bytes(32), bytes(32)), b"derived", b""), x25519(private, share))
        self.receives = Keys(secret(handshake, b"s hs traffic", self.said))
        self.traffic = secret(handshake, b"c hs traffic", self.said)
        while self.hear()[0] != FINISHED:
            pass
        master = extract(secret(handshake, b"derived", b""), bytes(32))
        self.receives = Keys(secret(master, b"s ap traffic", self.said))
        self.keys = {"clear": None, "handshake": Keys(self.traffic), "data": Keys(secret(master, b"c ap traffic", self.said))}

    def hello(self, private, name):
        def extension(kind, content):
            return kind.to_bytes(2, "big") + vector(2, content)
        public = x25519(private, (9).to_bytes(32, "little"))
        schemes = bytes.fromhex("0403050306030804080508060401")
        extensions = (extension(0, vector(2, b"\0" + vector(2, name))) + extension(10, vector(2, b"\0\x1d")) +
                      extension(13, vector(2, schemes)) + extension(43, vector(1, b"\3\4")) +
                      extension(51, vector(2, b"\0\x1d" + vector(2, public))))
        self.said = message(CLIENT_HELLO, b"\3\3" + os.urandom(32) + vector(1, os.urandom(32)) + b"\0\2\x13\x01\1\0" +
                            vector(2, extensions))
        self.connection.send(bytes([HANDSHAKE, 3, 3]) + vector(2, self.said))
        rest = self.hear()[4 + 2 + 32 + 1 + 32 + 2 + 1 + 2:]
        while rest[:2] != b"\0\x33":
            rest = rest[4 + int.from_bytes(rest[2:4], "big"):]
        return rest[8:40]

    def record(self):
        head = self.connection.exactly(5)
        if len(head) < 5:
            return None, b""
        content = self.connection.exactly(int.from_bytes(head[3:], "big"))
        return self.receives.open(content) if head[0] == DATA else (head[0], content)

    def hear(self):
        while len(self.unread) < 4 or len(self.unread) < 4 + int.from_bytes(self.unread[1:4], "big"):
            kind, content = self.record()
            assert kind in (HANDSHAKE, CHANGE_CIPHER_SPEC), (kind, content)
            self.unread += content if kind == HANDSHAKE else b""
        size = 4 + int.from_bytes(self.unread[1:4], "big")
        heard, self.unread = self.unread[:size], self.unread[size:]
        self.said += heard
        return heard

    # ---- messages

    def certificate(self, *chain, context=b""):
        return message(CERTIFICATE, vector(1, context) + vector(3, b"".join(vector(3, der) + b"\0\0" for der in chain)))

    def certificate_verify(self, key, scheme, *options, said=None, who=b"client"):
        """options: openssl dgst's."""
        text = b" " * 64 + b"TLS 1.3, " + who + b" CertificateVerify\0" + hashlib.sha256(said or self.said).digest()
        signature = subprocess.run(["openssl", "dgst", "-sign", key, *options], input=text, check=True, capture_output=True).stdout
        return message(CERTIFICATE_VERIFY, scheme.to_bytes(2, "big") + vector(2, signature))

    def finished(self, said=None):
        key = expand(self.traffic, label(b"finished", 32), 32, "sha256")
        return message(FINISHED, hmac.digest(key, hashlib.sha256(said or self.said).digest(), "sha256"))

    # ---- sending

    def write(self, kind, content, keys="handshake"):
        sealed = self.keys[keys].seal(kind, content) if self.keys[keys] else bytes([kind, 3, 3]) + vector(2, content)
        try:
            self.connection.send(sealed)
        except OSError:
            pass  # an alert is there to be read

    def say(self, what, keys="handshake"):
        self.said += what
        self.write(HANDSHAKE, what, keys)

    def ask(self):
        self.write(DATA, b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\nConnection: close\r\n\r\n", "data")

    def outcome(self):
        """The status, or the alert's number, or None."""
        while True:
            kind, content = self.record()
            if kind == DATA:
                return int(content.split(b" ")[1])
            if kind == ALERT:
                return content[1]
            if kind is None:
                return None
