"""Processor time of a command, beside that of a Python that only imports the libraries the command line needs.

Times in seconds differ from machine to machine, and on one machine from minute to minute; their ratio does not.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from resource import RUSAGE_CHILDREN, getrusage

from netdef.language.find import models_folder

LIBRARIES = "import click, google.protobuf.message_factory, google.protobuf.descriptor_pb2"


def times_of_libraries(arguments: Sequence[str], rounds: int = 3) -> float:
    """How many times the processor time of the libraries' import `netdef ARGUMENTS` takes, both at their best."""
    command = [sys.executable, "-m", "netdef", *arguments]
    pairs = [(_processor_seconds(command), _processor_seconds([sys.executable, "-c", LIBRARIES])) for _ in range(rounds)]
    return min(mine for mine, _ in pairs) / min(theirs for _, theirs in pairs)


def _processor_seconds(command: Sequence[str]) -> float:
    before = getrusage(RUSAGE_CHILDREN)
    subprocess.run(command, capture_output=True, cwd=models_folder().parent, check=True)
    after = getrusage(RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
