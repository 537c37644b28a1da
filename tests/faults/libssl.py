"""A TLS client with what Python's ssl leaves out: renegotiation and KeyUpdate. OpenSSL by ctypes."""

import ctypes
import ctypes.util

LIB = ctypes.CDLL(ctypes.util.find_library("ssl"))
for name, *arguments in (("TLS_client_method",), ("SSL_CTX_new", ctypes.c_void_p), ("SSL_new", ctypes.c_void_p)):
    getattr(LIB, name).restype, getattr(LIB, name).argtypes = ctypes.c_void_p, arguments

PEM, KEY_UPDATE_REQUESTED = 1, 1
SET_MIN_VERSION, SET_MAX_VERSION = 123, 124


class Client:
    """Over a connected socket, which is blocking from here on and stays the caller's."""

    def __init__(self, sock, certs, version):
        sock.settimeout(None)
        sock.setsockopt(1, 20, (10).to_bytes(8, "little") + bytes(8))  # SO_RCVTIMEO
        self.sock = sock
        self.context = ctypes.c_void_p(LIB.SSL_CTX_new(ctypes.c_void_p(LIB.TLS_client_method())))
        for which in (SET_MIN_VERSION, SET_MAX_VERSION):
            LIB.SSL_CTX_ctrl(self.context, which, ctypes.c_long(version), None)
        LIB.SSL_CTX_use_certificate_file(self.context, str(certs / "client.crt").encode(), PEM)
        LIB.SSL_CTX_use_PrivateKey_file(self.context, str(certs / "client.key").encode(), PEM)
        self.ssl = ctypes.c_void_p(LIB.SSL_new(self.context))
        LIB.SSL_set_fd(self.ssl, sock.fileno())
        if LIB.SSL_connect(self.ssl) != 1:
            raise ConnectionResetError("no handshake")

    def __del__(self):
        LIB.SSL_free(self.ssl)
        LIB.SSL_CTX_free(self.context)

    def renegotiate(self):
        return LIB.SSL_renegotiate(self.ssl) == 1 and LIB.SSL_do_handshake(self.ssl) == 1

    def update_key(self):
        return LIB.SSL_key_update(self.ssl, KEY_UPDATE_REQUESTED) == 1 and LIB.SSL_do_handshake(self.ssl) == 1
