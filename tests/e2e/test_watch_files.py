"""ssl_watch_files: what changes on disk is taken over without being asked, as a whole or not at all."""
import os
import pathlib
import shutil
import ssl
import subprocess
import time

import pytest

from harness import cert_path, wait_until

NAMES = ["server.crt", "server.key", "ca.crt", "crl.pem"]


def in_place(folder, files):
    for name, text in files.items():
        (folder / name).write_text(text)


def by_rename(folder, files):
    for name, text in files.items():
        (folder / "new").write_text(text)
        os.rename(folder / "new", folder / name)


def as_kubernetes(folder, files):
    """All of a volume at once: NAME -> ..data/NAME, ..data -> ..N, and ..data is swapped."""
    data, link = folder / f"..{time.time_ns()}", folder / "..data"
    data.mkdir()
    before = link.resolve() if link.exists() else folder
    for name in NAMES:
        (data / name).write_text(files.get(name) or (before / name).read_text())
        if not (folder / name).is_symlink():
            (folder / name).unlink()
            os.symlink(f"..data/{name}", folder / name)
    os.symlink(data.name, folder / "..tmp")
    os.rename(folder / "..tmp", link)
    if before != folder:
        shutil.rmtree(before)


WAYS = [in_place, by_rename, as_kubernetes]


class Watched:
    """A gate whose files are the test's own."""

    def __init__(self, proxy, certs, folder, way=by_rename, more="", prepare=None, location="return 200 $ssl_client_s_dn;"):
        self.folder, self.way, self.certs = folder / "files", way, certs
        self.folder.mkdir()
        for name in NAMES[:3]:
            shutil.copy(certs / name, self.folder)
        shutil.copy(certs / "rogues/crl-empty.pem", self.folder / "crl.pem")
        for name, text in (prepare or {}).items():
            (self.folder / name).write_text(text)
        if way is as_kubernetes:
            as_kubernetes(self.folder, {})
        text = ("ssl_watch_files on; server { listen {port} ssl; server_name localhost; ssl_certificate F/server.crt; "
                "ssl_certificate_key F/server.key; ssl_client_certificate F/ca.crt; ssl_crl F/crl.pem; ssl_verify_client on; "
                "%s location / { %s } }" % (more, location)).replace("F/", f"{self.folder}/")
        self.gate = proxy(text, workers=2)

    def change(self, **files):
        """crl=PATH: crl.pem has what that file has."""
        names = {name.split(".")[0] if not name.startswith("server") else name.replace(".", "_"): name for name in NAMES}
        self.way(self.folder, {names[key]: pathlib.Path(path).read_text() for key, path in files.items()})

    def told(self):
        return [line for line in self.gate.log().splitlines() if "(ssl_watch_files)" in line]

    def line(self, number=1):
        return wait_until(lambda: len(self.told()) >= number and self.told()[number - 1], f"line {number}: {self.gate.log()[-2000:]}")

    def reloads(self):
        return self.gate.log().count("reconfiguring")


@pytest.fixture
def watched(proxy, certs, tmp_path):
    return lambda *args, **more: Watched(proxy, certs, tmp_path, *args, **more)


def ask(connection):
    return connection.get(headers="Accept: application/json\r\n")


def refusal(gate, cert, **more):
    with gate.tls(cert, **more) as c:
        answer = ask(c)
        return answer.json()["reason"] if answer.status == 403 else None


@pytest.mark.parametrize("way", WAYS)
def test_a_new_list_counts_for_everybody_without_a_reload(watched, way):
    w = watched(way)
    with w.gate.tls("revoked") as revoked, w.gate.tls("good") as good:
        assert ask(revoked).status == 200 and ask(good).status == 200
        w.change(crl=w.certs / "rogues/crl.pem")
        assert "files have changed: CRL 'CN=my-ca': +1 -0 entries, next update 20" in w.line()
        wait_until(lambda: refusal(w.gate, "revoked") == "cert_revoked", "both workers to know")
        assert ask(revoked).json()["reason"] == "cert_revoked"
        assert ask(good).status == 200
    w.change(crl=w.certs / "rogues/crl-intermediate.pem")
    assert "CRL 'CN=my-ca': +1 -0 entries" in w.line(2) and "+CRL 'CN=my-intermediate'" in w.line(2)
    assert w.reloads() == 0


@pytest.mark.parametrize("way", WAYS)
def test_cas_come_and_go_without_a_reload(watched, way, tmp_path):
    w = watched(way)
    both = tmp_path / "both.crt"
    both.write_text((w.certs / "ca.crt").read_text() + (w.certs / "rogues/self-signed.crt").read_text())
    assert refusal(w.gate, "self-signed") == "self_signed"
    w.change(ca=both)
    assert "files have changed: +CA 'CN=client self-signed';" in w.line()
    wait_until(lambda: refusal(w.gate, "self-signed") == "crl_missing", "both workers to know")  # trusted now, if without a list
    w.change(ca=w.certs / "rogues/self-signed.crt", crl=w.certs / "rogues/crl.pem")
    assert "+CA" not in w.line(2) and "-CA 'CN=my-ca'" in "".join(w.told()[1:])
    wait_until(lambda: refusal(w.gate, "good") not in (None, "crl_missing"), "both workers to know")
    assert w.reloads() == 0


def new_pair(folder, name):
    """A certificate that signs itself, for servers."""
    key, crt = folder / "new.key", folder / "new.crt"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", f"/CN={name}", "-keyout", key, "-out", crt], check=True, capture_output=True)
    return {"server_crt": crt, "server_key": key}


def served(gate):
    return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", gate.port)))


@pytest.mark.parametrize("way", WAYS)
def test_a_new_certificate_is_served_by_way_of_a_reload(watched, way, tmp_path):
    w = watched(way)
    before = served(w.gate)
    with w.gate.tls() as c:
        assert ask(c).status == 200
        w.change(**new_pair(tmp_path, "localhost"))
        assert f"certificate \"{w.folder}/server.crt\"; the configuration is loaded anew" in w.line()
        wait_until(lambda: served(w.gate) != before, "the new one")
        assert ask(c).status == 200  # and nobody was dropped
    assert w.reloads() == 1


def forged_list(folder):
    """By somebody who has the CA's name alone."""
    ca, crl = new_pair(folder, "my-ca"), folder / "forged.pem"
    (folder / "index.txt").touch()
    (folder / "ca.cnf").write_text(f"[ca]\ndefault_ca = a\n[a]\ndatabase = {folder}/index.txt\ndefault_md = sha256\n")
    subprocess.run(["openssl", "ca", "-config", folder / "ca.cnf", "-cert", ca["server_crt"], "-keyfile", ca["server_key"],
                    "-gencrl", "-crldays", "9", "-out", crl], check=True, capture_output=True)
    return crl


def test_what_is_wrong_changes_nothing_and_is_told_once(watched, tmp_path):
    w = watched()
    half = tmp_path / "half.pem"
    half.write_text((w.certs / "ca.crt").read_text()[:300])
    w.change(crl=w.certs / "rogues/crl.pem")
    assert "have changed" in w.line(1)
    both = tmp_path / "both.crt"
    both.write_text((w.certs / "ca.crt").read_text() + (w.certs / "client.crt").read_text())
    wrong = [({"server_crt": w.certs / "client.crt"}, "key values mismatch", {"server_crt": w.certs / "server.crt"}),
             ({"ca": half}, "cut off or damaged", {"ca": w.certs / "ca.crt"}),
             ({"ca": both}, "CN=client is no CA", {"ca": w.certs / "ca.crt"}),
             ({"crl": forged_list(tmp_path)}, "CN=my-ca did not sign", {"crl": w.certs / "rogues/crl.pem"}),
             ({"crl": w.certs / "rogues/crl-expired.pem"}, "older than the one in use", {"crl": w.certs / "rogues/crl.pem"})]
    for number, (files, words, back) in enumerate(wrong, start=2):
        w.change(**files)
        line = w.line(number)
        assert words in line and "what is in use stays" in line, line
        assert refusal(w.gate, "good") is None and refusal(w.gate, "revoked") == "cert_revoked"
        w.change(**back)
        time.sleep(0.5)
        assert len(w.told()) == number, w.told()[number:]
    os.unlink(w.folder / "crl.pem")
    assert "No such file" in w.line(len(wrong) + 2)
    assert refusal(w.gate, "good") is None and w.reloads() == 0


def test_a_certificate_that_comes_before_its_key_waits_for_it(watched, tmp_path):
    w = watched()
    before, new = served(w.gate), new_pair(tmp_path, "localhost")
    w.change(server_crt=new["server_crt"])
    assert "key values mismatch" in w.line() and served(w.gate) == before
    w.change(server_key=new["server_key"])
    assert "the configuration is loaded anew" in w.line(2)
    wait_until(lambda: served(w.gate) != before, "the new one")


def test_workers_of_older_configurations_and_later_ones_obey(watched):
    w = watched()
    with w.gate.tls("revoked") as old:
        assert ask(old).status == 200
        w.gate.reload()
        w.gate.logged("gracefully shutting down")
        w.change(crl=w.certs / "rogues/crl.pem")
        w.line()
        wait_until(lambda: refusal(w.gate, "revoked") == "cert_revoked", "the new workers to know")
        assert ask(old).json()["reason"] == "cert_revoked"
    victims = wait_until(lambda: len(pids := w.gate.workers()) == 2 and pids, "the old workers to end")
    for pid in victims:
        os.kill(pid, 9)
    wait_until(lambda: len(pids := w.gate.workers()) == 2 and not set(pids) & set(victims), "new workers")
    assert refusal(w.gate, "revoked") == "cert_revoked"


def test_without_it_files_are_left_alone(proxy, certs, tmp_path):
    crl = tmp_path / "crl.pem"
    shutil.copy(certs / "rogues/crl-empty.pem", crl)
    gate = proxy("server { listen {port} ssl; ssl_certificate {certs}/server.crt; ssl_certificate_key {certs}/server.key; "
                 "ssl_client_certificate {certs}/ca.crt; ssl_verify_client on; ssl_crl %s; location / { return 200; } }" % crl)
    shutil.copy(certs / "rogues/crl.pem", crl)
    time.sleep(0.8)
    assert refusal(gate, "revoked") is None and cert_path(certs, "revoked").exists()


def test_lists_of_client_rules_are_watched_too(watched):
    w = watched(more="ssl_client_deny cn file:F/denied;", prepare={"denied": "nobody\n"})
    gate = w.gate
    assert refusal(gate, "client") is None
    w.way(w.folder, {"denied": "nobody\nclient\n"})
    assert f'list "{w.folder}/denied"; the configuration is loaded anew' in w.line()
    wait_until(lambda: refusal(gate, "client") == "not_permitted", "the rule")
    w.way(w.folder, {"denied": "not*exact\n"})
    gate.logged("invalid value")
    assert refusal(gate, "client") == "not_permitted"


def test_a_new_ticket_key_is_taken_by_way_of_a_reload(watched):
    w = watched(more="ssl_protocols TLSv1.2; ssl_session_ticket_key F/tickets.key;", prepare={"tickets.key": "k" * 80})

    def session(again=None):
        with w.gate.tls(again=again) as c:
            assert ask(c).status == 200
            return (c.sock.context, c.sock.session), c.sock.session_reused

    old, _ = session()
    assert session(old)[1]
    w.way(w.folder, {"tickets.key": "n" * 80})
    assert f'ticket key "{w.folder}/tickets.key"; the configuration is loaded anew' in w.line()
    wait_until(lambda: not session(old)[1], "what the old key sealed to be worth nothing")
    new, _ = session()
    wait_until(lambda: session(new)[1], "the new key")
    assert w.reloads() == 1


def test_a_new_list_of_revoked_ones_counts_though_the_reload_for_another_file_fails(watched, certs):
    w = watched(more="ssl_client_deny cn file:F/denied;", prepare={"denied": "nobody\n"})
    w.way(w.folder, {"denied": "not*exact\n", "crl.pem": (certs / "rogues/crl.pem").read_text()})
    wait_until(lambda: refusal(w.gate, "revoked") == "cert_revoked", "the list")
    w.gate.logged("invalid value")
    assert refusal(w.gate, "good") is None


def test_where_nobody_watches_the_start_says_so(proxy):
    gate = proxy("ssl_watch_files on; server { listen {port}; return 204; }", main="master_process off;")
    assert '"ssl_watch_files" has no effect with "master_process off"' in gate.log()
