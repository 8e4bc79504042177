"""The data sources of an executable, as a snapshot sees them: their positions, and going back to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runtime.machine.executable import Executable


def positions(executable: Executable) -> dict[str, Any]:
    """The position of each source, by data layer; JSON."""
    return {name: source.position() for name, source in executable.sources.items()}


def seek(executable: Executable, states: dict[str, Any]) -> None:
    """Bring open sources to where `positions` found them; those it does not know stay where they are."""
    for name, source in executable.sources.items():
        if name in states:
            source.seek(states[name])


def classes_of(executable: Executable) -> list[str] | None:
    """The names of the classes that the net's only source has; None where there are several sources, or it has no names."""
    if len(executable.sources) != 1:
        return None
    (source,) = executable.sources.values()
    return None if source.classes is None else list(source.classes)
