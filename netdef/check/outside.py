"""Files that a net or a solver names outside of its own folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from netdef.check.registry import Findings, each_net, solvers
from netdef.check.solver import Subject
from netdef.graph import reach as of_nets
from netdef.graph.net import Net
from netdef.language.diagnostics import Diagnostic
from netdef.language.reach import refuses_outside
from netdef.language.written import is_written
from netdef.solver_file import reach as of_solvers

REASON = "a command that trains or tests opens it; --inside refuses such files"


@each_net
def files_of_layers(net: Net) -> Findings:
    for layer in net.layers:
        for one in () if refuses_outside() else of_nets.reaches(layer.message, layer.within, net.filename):
            yield from as_notes(one)


@solvers
def files_of_solvers(subject: Subject) -> Findings:
    for one in () if refuses_outside() else of_solvers.reaches(subject.bound):  # else they are errors
        yield from as_notes(one)


def as_notes(one: Diagnostic) -> Iterator[Diagnostic]:
    """What `only_inside` refuses, as `netdef check` says it; nothing of a text that netdef wrote."""
    if one.position is None or not is_written(one.position.file):
        yield replace(one, severity="note", hint=REASON)
