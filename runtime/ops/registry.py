"""The table of lowerings: layer class -> the function that writes its instructions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from netdef.language.diagnostics import NetdefError
from netdef.language.units import plural
from runtime.kernels.rooms import devices_of, load_rooms

if TYPE_CHECKING:
    from netdef.graph.layer import Layer
    from runtime.ir.builder import Builder

Lowering = Callable[[Any, "Builder"], None]  # each takes its own family

_LOWERINGS: dict[type, Lowering] = {}


def lowers(family: type) -> Callable[[Lowering], Lowering]:
    """Register how a layer class lowers."""

    def register(lower: Lowering) -> Lowering:
        _LOWERINGS[family] = lower
        return lower

    return register


def runnable_types() -> list[str]:
    """The layer types that can run."""
    from netdef.graph.layer import LAYERS

    load_rooms("lower")
    return sorted(name for name, family in LAYERS.items() if family in _LOWERINGS)


def devices_by_type() -> dict[str, tuple[str, ...]]:
    """The devices, of "cpu" and "gpu", that run each layer type: those that the room of its lowering has kernels for."""
    from netdef.graph.layer import LAYERS

    return {name: devices_of(_LOWERINGS[LAYERS[name]].__module__.split(".")[-2]) for name in runnable_types()}


def check_runnable(layers: Iterable[Layer]) -> None:
    """That every layer's type has kernels.

    Raises
    ------
    NetdefError: some have none, or do not read a setting; all of them are named, at the first one's position.
    """
    load_rooms("lower")
    layers = tuple(layers)
    lacking = [layer for layer in layers if type(layer) not in _LOWERINGS]
    if lacking:
        counts = Counter(layer.type for layer in lacking)
        named = ", ".join(f"{name} ({plural(count, 'layer')})" for name, count in counts.items())
        raise NetdefError(
            f"this net cannot run: there are no kernels for {named} yet",
            position=lacking[0].position,
            hint="types that can run: " + ", ".join(runnable_types()),
        )
    if unread := [layer for layer in layers if layer.unread_fields]:
        named = ", ".join(f"{field} of layer {layer.name}" for layer in unread for field in layer.unread_fields)
        first = unread[0].within(tuple(unread[0].unread_fields[0].split(".")))
        raise NetdefError(f"this net cannot run: nothing here does what these settings say yet: {named}", position=first)


def lowering_of(layer: Layer) -> Lowering:
    """The lowering of a layer's class, which has one."""
    return _LOWERINGS[type(layer)]
