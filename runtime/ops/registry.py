"""The table of lowerings: layer class -> the function that writes its instructions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from netdef.graph.unsized import Unsized
from netdef.language.diagnostics import NetdefError
from netdef.language.kept import names
from netdef.language.units import plural
from netdef.schema.idle_fields import is_idle
from runtime.kernels.rooms import devices_of, load_rooms

if TYPE_CHECKING:
    from netdef.graph.layer import Layer
    from netdef.language.diagnostics import Position
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
    lacking = [layer for layer in layers if not isinstance(layer, Unsized) and type(layer) not in _LOWERINGS]
    unread = [(layer, field) for layer in layers for field in (*layer.unread_fields, *names(layer.message)) if not is_idle(field)]
    unread = [(layer, field) for layer, field in unread if layer not in lacking]
    missing = []
    if lacking:
        counts = Counter(layer.type for layer in lacking)
        missing.append(f"there are no kernels for {listed(counts)} yet")
    if unread:
        settings = Counter(f"{field} of {layer.type}" for layer, field in unread)
        missing.append(f"nothing here reads {listed(settings)}")
    if missing:
        first = lacking[0].position if lacking else _position(*unread[0])
        hint = "netdef layers lists the types that can run" if lacking else "netdef check shows where these settings stand"
        raise NetdefError(f"this net cannot run: {'; '.join(missing)}", position=first, hint=hint)
    if any(isinstance(layer, Unsized) for layer in layers):
        raise NetdefError("this net cannot run: the shapes of some of its blobs are not known", hint="netdef shapes shows which")


def _position(layer: Layer, field: str) -> Position | None:
    """Where a field stands; where its layer does, if its text is not there."""
    return layer.within(tuple(field.split("."))) or layer.position


def listed(counts: Mapping[str, int]) -> str:
    """Names, each with its number of layers."""
    return ", ".join(f"{name} ({plural(count, 'layer')})" for name, count in counts.items())


def lowering_of(layer: Layer) -> Lowering:
    """The lowering of a layer's class, which has one."""
    return _LOWERINGS[type(layer)]
