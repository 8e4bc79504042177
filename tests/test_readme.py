"""What README.md shows is what the commands print: each sample runs again, beside the files of tests/readme."""

import os
import subprocess
import sys
from shutil import copytree

import pytest

from tests.paths import ROOT

NOT_EVERYWHERE = ("netdef train", "netdef compile")  # figures of one machine: its speed, the workspaces of its two cores


def samples(text):
    """The commands shown in a text, each with the output that stands below it."""
    found, shown = [], None
    for line in text.splitlines():
        if line.startswith("    $ "):
            shown = []
            found.append((line[6:], shown))
        elif shown is not None and (not line or line.startswith("    ")):
            shown.append(line[4:])
        else:
            shown = None
    return [(command, "\n".join(lines).strip("\n")) for command, lines in found if not command.startswith(NOT_EVERYWHERE)]


SAMPLES = samples((ROOT / "README.md").read_text())


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """Runs a line of a shell that has netdef, in a folder where later lines find what earlier ones wrote."""
    folder = tmp_path_factory.mktemp("readme") / "work"
    copytree(ROOT / "tests" / "readme", folder)
    netdef = folder.parent / "netdef"
    netdef.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m netdef "$@"\n')
    netdef.chmod(0o755)
    path = f"{folder.parent}{os.pathsep}{os.environ['PATH']}"

    def run(line):
        done = subprocess.run(
            line,
            shell=True,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.stdout.replace(f"{ROOT / 'models'}{os.sep}", "models/")

    return run


def test_the_readme_shows_commands():
    assert len(SAMPLES) > 12


@pytest.mark.parametrize(("command", "shown"), SAMPLES, ids=[command for command, _ in SAMPLES])
def test_a_command_prints_what_the_readme_shows(shell, command, shown):
    printed = [line.rstrip() for line in shell(command).strip("\n").splitlines()]
    assert printed == shown.splitlines()


def test_the_picture_is_what_draw_makes(tmp_path):
    made = tmp_path / "alexnet.svg"
    subprocess.run([sys.executable, "-m", "netdef", "draw", "alexnet", "--phase", "train", "-o", made], cwd=ROOT, check=True)
    assert made.read_text() == (ROOT / "models" / "alexnet.svg").read_text()
