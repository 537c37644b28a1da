"""Fixtures of the end-to-end tests: the real program, real clients, upstreams that behave or do not.

PORTCULLIS_BIN names the program to test (default: build/release/portcullis). Everything binds to
loopback on free ports and is ended by its process id.
"""
import os
import pathlib
import subprocess

import pytest

import harness

ROOT = pathlib.Path(__file__).resolve().parents[2]


def pytest_configure(config):
    config.addinivalue_line("markers", "no_valgrind(reason): cannot work under tests/support/valgrind, and why")


def pytest_collection_modifyitems(config, items):
    """tests/support/valgrind: what cannot work there is skipped, and with --every N only each N-th case of a test is run."""
    if "PORTCULLIS_VALGRIND" not in os.environ:
        return
    every, seen, kept, left = int(os.environ.get("PORTCULLIS_EVERY", "1")), {}, [], []
    for item in items:
        if mark := item.get_closest_marker("no_valgrind"):
            item.add_marker(pytest.mark.skip(reason=f"valgrind: {mark.args[0]}"))
        number = seen[item.function] = seen.get(item.function, -1) + 1
        (left if number % every else kept).append(item)
    items[:] = kept
    config.hook.pytest_deselected(items=left)


@pytest.fixture(scope="session")
def binary():
    path = pathlib.Path(os.environ.get("PORTCULLIS_BIN", ROOT / "build/release/portcullis"))
    if not path.exists():
        pytest.exit(f"no program to test: {path}", returncode=2)
    return path


@pytest.fixture(scope="session")
def certs(tmp_path_factory):
    """Folder made by certs/make --rogues: ca, server, client, rogues/."""
    folder = tmp_path_factory.mktemp("certs")
    subprocess.run([ROOT / "certs/make", "--rogues", folder], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    return folder


@pytest.fixture
def upstream():
    """An upstream that answers each request with what it saw, as JSON, and remembers it."""
    with harness.Upstream() as server:
        yield server


@pytest.fixture
def scripted_upstream():
    """Makes upstreams out of functions that are given the raw connection."""
    servers = []

    def make(script):
        servers.append(harness.ScriptedUpstream(script))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


@pytest.fixture
def proxy(binary, certs, tmp_path):
    """Starts the program with a configuration text; see harness.Proxy."""
    running = []

    def start(text, **options):
        folder = tmp_path / f"proxy{len(running)}"
        folder.mkdir()
        running.append(harness.Proxy(options.pop("binary", binary), certs, folder, text, **options))
        return running[-1]

    yield start
    for instance in running:
        instance.close()


@pytest.fixture
def gate(proxy, upstream):
    """The article's block in front of the echoing upstream."""
    return proxy(harness.ARTICLE.replace("web_server:port", upstream.address))
