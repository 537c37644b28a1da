"""Nothing resumes until a session carries the identity: a resumed TLS 1.3 session would look verified."""
import ssl
import subprocess

import pytest

from harness import WAIT


def s_client(gate, version, *more, cert="client"):
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{gate.port}", version, "-CAfile", gate.certs / "ca.crt",
               "-ign_eof", *more]
    if cert:
        command += ["-cert", gate.certs / f"{cert}.crt", "-key", gate.certs / f"{cert}.key"]
    done = subprocess.run(command, input=b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n", capture_output=True, timeout=WAIT)
    return done.stdout.decode(errors="replace")


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("cert", ["client", None])
def test_a_saved_session_is_not_resumed(gate, tmp_path, version, cert):
    session = tmp_path / "session.pem"
    first = s_client(gate, version, "-sess_out", session, cert=cert)
    assert "New, TLSv1" in first, first
    assert "TLS session ticket:" not in first
    if session.exists():  # TLS 1.3 without a ticket writes none
        second = s_client(gate, version, "-sess_in", session, cert=None)
        assert "Reused," not in second
        assert "HTTP/1.1 403" in second, second


def test_python_client_never_sees_a_reused_session(gate):
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with gate.tls(version=version) as c:
            assert c.get().status == 200
            assert not c.sock.session_reused
            assert not c.sock.session.has_ticket


def test_renegotiation_is_refused(gate):
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{gate.port}", "-tls1_2", "-legacy_renegotiation",
                           "-cert", gate.certs / "client.crt", "-key", gate.certs / "client.key"],
                          input=b"R\n", capture_output=True, timeout=WAIT)
    assert b"RENEGOTIATING" in done.stdout + done.stderr
    assert b"no renegotiation" in done.stderr or b"error" in done.stderr.lower(), done.stderr
