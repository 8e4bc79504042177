"""The data sources of an executable, as a snapshot sees them: where each stands, and going back there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runtime.executable import Executable


def open_sources(executable: Executable) -> None:
    """Open those that are not open yet, at their start."""
    from runtime.data import open_source

    for source in executable.program.sources:
        if source.layer.name not in executable.sources:
            executable.sources[source.layer.name] = open_source(source.layer, executable.seed)


def positions(executable: Executable) -> dict[str, Any]:
    """Where each open source stands, by data layer; JSON."""
    return {name: source.position() for name, source in executable.sources.items()}


def seek(executable: Executable, states: dict[str, Any]) -> None:
    """Bring the sources to where `positions` found them; one that was not open then starts anew when it is needed."""
    for name in [name for name in executable.sources if name not in states]:
        executable.sources.pop(name).close()
    if states:
        open_sources(executable)
    for name, state in states.items():
        if name in executable.sources:
            executable.sources[name].seek(state)


def classes_of(executable: Executable) -> list[str] | None:
    """The names of the classes that the first source that has any gives them."""
    for source in executable.sources.values():
        if source.classes is not None:
            return list(source.classes)
    return None
