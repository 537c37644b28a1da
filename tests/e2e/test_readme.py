"""README.md's transcripts are what one gets: each command is run, in order, in one folder, and its output compared."""
import os
import pathlib
import re
import subprocess

import pytest

from harness import WAIT, free_port

README = pathlib.Path(__file__).resolve().parents[2] / "README.md"


def steps():
    """(command, what it says) of all blocks of ```console; a here-document belongs to its command."""
    for block in re.findall(r"^```console\n(.*?)^```$", README.read_text(), re.M | re.S):
        for step in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, said = step.partition("\n")
            if "<<'END'" in command:
                document, _, said = said.partition("END\n")
                command += "\n" + document + "END\n"
            yield command, said


def alike(text):
    """Without what differs from day to day."""
    text = re.sub(r"\b[0-9A-Fa-f]{16,}\b", "HEX", text)
    return re.sub(r"\d{4}-\d\d-\d\d(T[\d:]+Z)?", "DATE", re.sub(r"\d+ days left", "N days left", text))


@pytest.fixture
def shell(binary, tmp_path):
    """One shell for all commands, since they change its folder and name functions."""
    environment = dict(os.environ, PATH=f"{binary.parent}:{os.environ['PATH']}")
    running = subprocess.Popen(["/bin/sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               cwd=tmp_path, env=environment, text=True)
    port = str(free_port())

    def run(command):
        running.stdin.write(command.replace("8443", port) + "\necho; echo '--- end'\n")
        running.stdin.flush()
        lines = iter(running.stdout.readline, "--- end\n")
        said = "".join(lines).replace(port, "8443").replace(str(tmp_path), "/home/you")
        return said[:-1]  # the empty line of our own

    yield run
    subprocess.run([binary, "-s", "quit", "-p", tmp_path / "gate", "-c", "gate.conf"], timeout=WAIT, check=True)
    running.stdin.close()
    running.wait(WAIT)


def test_transcripts_are_what_one_gets(shell):
    wrong = []
    for command, documented in steps():
        said = shell(command.replace("curl ", "curl -sS "))  # without a terminal it shows its progress
        if alike(said) != alike(documented):
            wrong.append(f"$ {command}\n{said}\n--- README has\n{documented}")
    assert not wrong, "\n\n".join(wrong)
