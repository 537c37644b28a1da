"""scripts/sbom: what the program under test was linked from."""
import hashlib
import json
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def document(binary):
    if not (binary.parent / "build.ninja").exists():
        pytest.skip("not in its build folder")
    if "asan" in str(binary):
        pytest.skip("a sanitizer's libraries are in no release")
    made = [subprocess.run([ROOT / "scripts/sbom", binary.parent], capture_output=True, text=True) for _ in range(2)]
    assert made[0].returncode == 0, made[0].stderr
    assert made[0].stdout == made[1].stdout, "the same build gives the same document"
    return json.loads(made[0].stdout)


def test_it_names_the_program_and_every_library(document, binary):
    packages = {p["name"]: p for p in document["packages"]}
    assert set(packages) >= {"portcullis", "mbedtls", "libuv", "c-ares", "pcre2", "glibc"}
    assert packages["portcullis"]["checksums"][0]["checksumValue"] == hashlib.sha256(binary.read_bytes()).hexdigest()
    assert all(p["versionInfo"] and p["licenseDeclared"] for p in packages.values())
    assert packages["mbedtls"]["versionInfo"].startswith("3.6.")
    assert "patches 0001" in packages["mbedtls"]["sourceInfo"]


def test_every_package_is_related_to_the_document(document):
    ids = {p["SPDXID"] for p in document["packages"]}
    assert {r["relatedSpdxElement"] for r in document["relationships"]} == ids
    assert len(ids) == len(document["packages"])


def test_a_library_that_nobody_described_is_an_error(binary, tmp_path):
    """Or it would be left out without a word."""
    if not (binary.parent / "build.ninja").exists():
        pytest.skip("not in its build folder")
    for name in ("CMakeCache.txt", "build.ninja", "portcullis"):
        (tmp_path / name).write_bytes((binary.parent / name).read_bytes())
    text = (tmp_path / "build.ninja").read_text()
    (tmp_path / "build.ninja").write_text(text.replace("libpcre2-8.", "libsurprise."))
    done = subprocess.run([ROOT / "scripts/sbom", tmp_path], capture_output=True, text=True)
    assert done.returncode == 1 and "libsurprise" in done.stderr and not done.stdout
