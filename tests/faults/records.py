"""A TLS client that makes its records itself once the handshake is over: whatever it likes, and none of it data.

The handshake is Python's; keys come from its key log, AES-GCM from libcrypto."""

import ctypes
import ctypes.util
import hashlib
import hmac
import ssl

CRYPTO = ctypes.CDLL(ctypes.util.find_library("crypto"))
for name in ("EVP_CIPHER_CTX_new", "EVP_aes_128_gcm", "EVP_aes_256_gcm"):
    getattr(CRYPTO, name).restype = ctypes.c_void_p
GET_TAG, TAG = 0x10, 16
ALERT, DATA = 21, 23


def expand(secret, info, size, digest):
    """HKDF-Expand (RFC 5869, 2.3) where one block is enough."""
    return hmac.digest(secret, info + b"\x01", digest)[:size]


def label(name, size):
    """RFC 8446, 7.1."""
    name = b"tls13 " + name
    return size.to_bytes(2, "big") + bytes([len(name)]) + name + b"\x00"


def prf(secret, seed, size):
    """RFC 5246, 5."""
    out, a = b"", seed
    while len(out) < size:
        a = hmac.digest(secret, a, "sha256")
        out += hmac.digest(secret, a + seed, "sha256")
    return out[:size]


class AesGcm:
    def __init__(self, key):
        self.key, self.context = key, ctypes.c_void_p(CRYPTO.EVP_CIPHER_CTX_new())
        self.cipher = ctypes.c_void_p(CRYPTO.EVP_aes_128_gcm() if len(key) == 16 else CRYPTO.EVP_aes_256_gcm())

    def __del__(self):
        CRYPTO.EVP_CIPHER_CTX_free(self.context)

    def seal(self, nonce, aad, plain):
        n, out, tag = ctypes.c_int(), ctypes.create_string_buffer(len(plain) + TAG), ctypes.create_string_buffer(TAG)
        CRYPTO.EVP_EncryptInit_ex(self.context, self.cipher, None, self.key, nonce)
        CRYPTO.EVP_EncryptUpdate(self.context, None, ctypes.byref(n), aad, len(aad))
        CRYPTO.EVP_EncryptUpdate(self.context, out, ctypes.byref(n), plain, len(plain))
        CRYPTO.EVP_EncryptFinal_ex(self.context, out, ctypes.byref(n))
        CRYPTO.EVP_CIPHER_CTX_ctrl(self.context, GET_TAG, TAG, tag)
        return out.raw[:len(plain)] + tag.raw


class Writer:
    """record(type, content): the next one that the client sends."""

    def __init__(self, log, version, server_hello):
        secrets = {words[0]: words[1:] for words in (line.split() for line in log.splitlines()) if len(words) == 3}
        self.is_13 = version == ssl.TLSVersion.TLSv1_3
        if self.is_13:
            secret = bytes.fromhex(secrets["CLIENT_TRAFFIC_SECRET_0"][1])
            digest, size = ("sha384", 32) if len(secret) == hashlib.sha384().digest_size else ("sha256", 16)
            self.aes, self.sequence = AesGcm(expand(secret, label(b"key", size), size, digest)), 0
            self.iv = expand(secret, label(b"iv", 12), 12, digest)
        else:
            # ServerHello's random stands behind headers and version; the client's is in the log.
            random, master = (bytes.fromhex(word) for word in secrets["CLIENT_RANDOM"])
            block = prf(master, b"key expansion" + server_hello[11:43] + random, 40)
            self.aes, self.iv, self.sequence = AesGcm(block[:16]), block[32:36], 1  # 0: Finished

    def record(self, kind, content):
        number = self.sequence.to_bytes(8, "big")
        self.sequence += 1
        if self.is_13:
            header = b"\x17\x03\x03" + (len(content) + 1 + TAG).to_bytes(2, "big")
            nonce = bytes(a ^ b for a, b in zip(self.iv, bytes(4) + number))
            return header + self.aes.seal(nonce, header, content + bytes([kind]))
        start = bytes([kind]) + b"\x03\x03"
        body = number + self.aes.seal(self.iv + number, number + start + len(content).to_bytes(2, "big"), content)
        return start + len(body).to_bytes(2, "big") + body


def established(target, version, log_path):
    """A connection after the handshake, and the writer of its records."""
    context = target.context(version=version)
    if version == ssl.TLSVersion.TLSv1_2:
        context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    context.keylog_filename = str(log_path)
    sock, incoming, outgoing = target.tcp(), ssl.MemoryBIO(), ssl.MemoryBIO()
    tls, first = context.wrap_bio(incoming, outgoing, server_hostname="localhost"), b""
    while True:
        try:
            tls.do_handshake()
            sock.sendall(outgoing.read())
            return sock, Writer(log_path.read_text(), version, first)
        except ssl.SSLWantReadError:
            sock.sendall(outgoing.read())
            some = sock.recv(65536)
            if not some:
                raise EOFError
            first = first or some
            incoming.write(some)
