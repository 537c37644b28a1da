"""tests/faults tells what became of its honest clients, also of those that end early: a word in their row, not the run's end."""
import pathlib
import sys
import types

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "faults"))
from gates import Honest  # noqa: E402

ENDS = "echo 'load: an idle connection was closed: Success' >&2; exit 1"
SAW = """echo '{"operations": 600, "errors": %d, "p99_ms": 3.0}'; read go"""


@pytest.mark.parametrize("does, operations, wrong", [
    ("echo begin; read go; " + SAW % 0, 600, ""),
    ("echo begin; read go; echo 'load: a connection failed in state 2' >&2; " + SAW % 3, 600,
     "3 requests failed; load: a connection failed in state 2"),
    ("echo begin; read go; " + ENDS, 0, "ended early; load: an idle connection was closed: Success"),
    ("echo begin; " + ENDS, 0, "ended early; load: an idle connection was closed: Success"),
    (ENDS, 0, "ended early; load: an idle connection was closed: Success")])
def test_honest_clients_say_what_they_saw_or_why_they_ended(tmp_path, does, operations, wrong):
    program = tmp_path / "load"
    program.write_text("#!/bin/sh\n" + does + "\n")
    program.chmod(0o755)
    clients = Honest(program, types.SimpleNamespace(port=1, certs=tmp_path), 1, 100)
    clients.begin()
    found = clients.result()
    assert (found["operations"], found["wrong"]) == (operations, wrong)
    assert found["p99_ms"] == (3.0 if operations else float("inf"))
