"""What an executable carries from run to run, as a snapshot sees it: the positions of data sources, and the states of layers."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any

import numpy as np

from netdef.language.diagnostics import NetdefError
from runtime.compiler.placement.place import split_of

if TYPE_CHECKING:
    from runtime.machine.executable import Executable

STATE = "float32"  # numbers in memory's order, as base64


def positions(executable: Executable) -> dict[str, Any]:
    """The position of each source, by data layer, and what layers carry, by its name; JSON."""
    states = {name: {STATE: b64encode(array.tobytes()).decode()} for name, array in executable.carried().items()}
    return {name: source.position() for name, source in executable.sources.items()} | states


def seek(executable: Executable, states: dict[str, Any]) -> None:
    """Bring open sources and carried states to where `positions` found them; those it does not know stay where they are.

    Raises
    ------
    NetdefError: a state is damaged, or of another net.
    """
    for name, source in executable.sources.items():
        if name in states:
            source.seek(states[name])
    for name in executable.carried():
        if name in states:
            try:
                values = np.frombuffer(b64decode(states[name][STATE]), np.float32)
            except (KeyError, TypeError, ValueError):
                raise NetdefError(f"the snapshot's state {name} is damaged") from None
            executable.set_carried(name, values)


def division_of(executable: Executable, split: str | None) -> dict[str, Any]:
    """What several shares divide, by which their sums are rounded; None of one share, and where there are no nodes."""
    division = executable.program.division
    own = None if division is None else split_of(split)
    return {"split": own, "nodes": division.nodes if division is not None and own == "hybrid" else None}


def classes_of(executable: Executable) -> list[str] | None:
    """The names of the classes that the net's only source has; None where there are several sources, or it has no names."""
    if len(executable.sources) != 1:
        return None
    (source,) = executable.sources.values()
    return None if source.classes is None else list(source.classes)
