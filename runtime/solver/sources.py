"""The data sources of an executable, as a snapshot sees them: where each stands, and going back there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from runtime.data import Source
    from runtime.machine.executable import Executable

class Opener(Protocol):
    """Opens a data layer's source."""

    def __call__(self, layer: Any, seed: int, *, classes: Sequence[str] | None) -> Source: ...


def open_sources(executable: Executable, opener: Opener, classes: Sequence[str] | None = None) -> None:
    """Open those that are not open yet, at their start.

    Parameters
    ----------
    classes: the names of the labels that the weights were trained with, for a net with one source; several may have different
        classes.
    """
    names = dict.fromkeys(source.layer.name for source in executable.program.sources)
    for name in names:
        if name not in executable.sources:
            # of the whole net, whose names users know
            layer = executable.net.layer(name)
            executable.sources[name] = opener(layer, executable.seed, classes=classes if len(names) == 1 else None)


def close_sources(executable: Executable) -> None:
    """Close all sources, so that `open_sources` opens them anew."""
    for source in executable.sources.values():
        source.close()
    executable.sources.clear()


def positions(executable: Executable) -> dict[str, Any]:
    """Where each source stands, by data layer; JSON."""
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
