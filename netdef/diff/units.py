"""What is aligned: layers, each alone, or together with its twins where one net draws several towers and the other one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property
from typing import Any

from netdef.diff.settings import settings
from netdef.graph import Net
from netdef.layers.base import Layer

PLAIN = {"stride": 1, "pad": 0, "dilation": 1}


class Unit:
    """One layer, or twins: layers of one type, set alike, that read alike, side by side. What is asked of a unit is cached."""

    __slots__ = ("__dict__", "layers")

    def __init__(self, layers: tuple[Layer, ...]):
        self.layers = layers

    @property
    def first(self) -> Layer:
        return self.layers[0]

    @cached_property
    def key(self) -> tuple[str, str]:
        return self.first.type, self.first.name

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The values of its settings, but for windows as they are if nothing is said; the outputs of twins count together."""
        found = {path: value for path, (value, _) in settings(self.first).items() if PLAIN.get(path) != value}
        if len(self.layers) > 1 and "num_output" in found:
            found["num_output"] *= len(self.layers)
        return found

    @cached_property
    def weights(self) -> tuple[Any, ...]:
        return tuple(parameter.shape for parameter in self.first.parameters)

    @cached_property
    def output(self) -> tuple[Any, ...]:
        """The shapes of one image's share of its tops."""
        shapes = [top.shape[1:] for top in self.first.tops]
        if len(self.layers) > 1:
            shapes = [(shape[0] * len(self.layers), *shape[1:]) if shape else shape for shape in shapes]
        return tuple(shapes)

    @cached_property
    def context(self) -> tuple[str, ...]:
        """The types of the layers that it reads."""
        return tuple(bottom.producer.type for bottom in self.first.bottoms)

    @cached_property
    def readers(self) -> tuple[str, ...]:
        return tuple(sorted(reader.type for top in self.first.tops for reader in top.consumers))


def units(net: Net, elsewhere: Collection[tuple[str, str]]) -> list[Unit]:
    """The layers of a net, twins together, in the net's order.

    `elsewhere`: (type, name) of the other net's layers. A layer that has a namesake there is no twin.
    """
    single = [layer for layer in net.layers if (layer.type, layer.name) not in elsewhere]
    if len(single) < 2:
        return [Unit((layer,)) for layer in net.layers]
    groups: dict[int, list[Layer]] = {}
    marks = signatures(net.layers)
    for layer in single:
        groups.setdefault(marks[layer], []).append(layer)
    result: list[Unit] = []
    seen: set[int] = set()
    for layer in net.layers:
        if id(layer) in seen:
            continue
        group = groups.get(marks[layer], [layer])
        group = group if layer in group else [layer]
        seen.update(map(id, group))
        result.append(Unit(tuple(group)))
    return result


def signatures(layers: Sequence[Layer]) -> dict[Layer, int]:
    """A number for each layer, equal for layers that compute the same from the same: twins.

    Which of its tops a Slice or Split hands on makes no difference: the towers behind them are twins.
    """
    marks: dict[Layer, int] = {}
    for layer in layers:
        read = tuple((marks[b.producer], 0 if b.producer.type in ("Slice", "Split") else b.index) for b in layer.bottoms)
        message = type(layer.message)()
        message.CopyFrom(layer.message)
        for name in ("name", "bottom", "top", "include", "exclude"):
            message.ClearField(name)
        marks[layer] = hash((message.SerializeToString(deterministic=True), len(layer.tops), layer.in_place, read))
    return marks
