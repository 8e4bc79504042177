"""The samples in README.md and docs/: commands with the output shown below them, and Python sessions.

`python -m tests.docs.samples` runs every command again and writes what it prints into the pages; review the diff.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.paths import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FILES = Path(__file__).parent / "files"
PROMPT = "    $ "
NOT_EVERYWHERE = ("netdef train", "netdef compile alexnet", "netdef devices")  # show speed, threads or the processor


@dataclass(frozen=True)
class Sample:
    """A command on a page.

    Attributes
    ----------
    shown: the output below it, without indentation and blank lines at the end.
    begin, end: the lines of the page that show the output.
    """

    command: str
    shown: list[str]
    begin: int
    end: int


def samples(text: str) -> list[Sample]:
    """The commands of a page whose output is the same on every machine."""
    lines = text.splitlines()
    found = []
    for number, line in enumerate(lines):
        if not line.startswith(PROMPT) or line[len(PROMPT) :].startswith(NOT_EVERYWHERE):
            continue
        end = number + 1
        while end < len(lines) and not lines[end].startswith(PROMPT) and (not lines[end] or lines[end].startswith("    ")):
            end += 1
        while not lines[end - 1]:
            end -= 1
        found.append(Sample(line[len(PROMPT) :], [shown[4:] for shown in lines[number + 1 : end]], number + 1, end))
    return found


def shell(folder: Path) -> Callable[[str], list[str]]:
    """Runs shell lines with `netdef` in a copy of `files`, made in a new folder; later lines find what earlier ones wrote."""
    work = folder / "work"
    shutil.copytree(FILES, work)
    netdef = folder / "netdef"
    netdef.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m netdef "$@"\n')
    netdef.chmod(0o755)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}

    def run(line: str) -> list[str]:
        done = subprocess.run(
            line, shell=True, cwd=work, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        printed = done.stdout.replace(f"{ROOT / 'models'}{os.sep}", "models/")
        return [shown.rstrip() for shown in printed.strip("\n").splitlines()]

    return run


def refresh(page: Path) -> None:
    """Write what the commands print now into a page."""
    lines = page.read_text().splitlines()
    with tempfile.TemporaryDirectory() as folder:
        run = shell(Path(folder))
        printed = [(sample, run(sample.command)) for sample in samples(page.read_text())]
    for sample, shown in reversed(printed):
        lines[sample.begin : sample.end] = [f"    {line}".rstrip() for line in shown]
    page.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    for page in PAGES:
        refresh(page)
