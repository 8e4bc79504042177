"""The data sources of an executable, as a snapshot sees them: where each stands, and going back there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runtime.data import Source
    from runtime.machine.executable import Executable

Opener = Callable[[Any, int], "Source"]  # takes a data layer and the run's seed


def open_sources(executable: Executable, opener: Opener) -> None:
    """Open those that are not open yet, at their start."""
    for source in executable.program.sources:
        name = source.layer.name
        if name not in executable.sources:
            # of the whole net, whose names users know
            executable.sources[name] = opener(executable.net.layer(name), executable.seed)


def positions(executable: Executable) -> dict[str, Any]:
    """Where each source stands, by data layer; JSON."""
    return {name: source.position() for name, source in executable.sources.items()}


def seek(executable: Executable, states: dict[str, Any]) -> None:
    """Bring open sources to where `positions` found them; those it does not know stay where they are."""
    for name, source in executable.sources.items():
        if name in states:
            source.seek(states[name])


def classes_of(executable: Executable) -> list[str] | None:
    """The names of the classes, from the first source that has any."""
    for source in executable.sources.values():
        if source.classes is not None:
            return list(source.classes)
    return None
