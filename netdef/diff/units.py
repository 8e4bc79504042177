"""The units of an alignment: a layer, or a layer and its twins where one net draws several towers and the other one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import Any

from netdef.diff.settings import settings
from netdef.graph.layer import Layer
from netdef.graph.net import Net

Pair = tuple["Unit | None", "Unit | None"]
PLAIN = {"stride": 1, "pad": 0, "dilation": 1}


class Unit:
    """One layer, or twins: layers of one type, set alike, that read alike, side by side. What is asked of a unit is cached.

    `mark`: the number of the match that it belongs to in another phase; None if it is not there.
    """

    __slots__ = ("__dict__", "layers", "mark")

    def __init__(self, layers: tuple[Layer, ...], mark: int | None = None):
        self.layers = layers
        self.mark = mark

    @property
    def first(self) -> Layer:
        return self.layers[0]

    @cached_property
    def key(self) -> tuple[str, str]:
        return self.first.type, self.first.name

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The values of its settings, those of windows as they are by default; the outputs of twins count together."""
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
        """The types of the layers that read what it makes."""
        return tuple(sorted({reader.type for top in self.first.tops for reader in top.consumers}))

    @cached_property
    def is_scored(self) -> bool:
        """Whether a loss reads it: the last layer of a classifier."""
        return any(reader.is_loss for top in self.first.tops for reader in top.consumers)


def units(net: Net, elsewhere: Collection[tuple[str, str]], marks: Mapping[tuple[str, str], int]) -> list[Unit]:
    """The layers of a net, twins together, in the net's order.

    `elsewhere`: (type, name) of the other net's layers. A layer that has a namesake there is no twin.
    `marks`: the number of each layer's match in another phase, by (type, name).
    """
    single = [layer for layer in net.layers if (layer.type, layer.name) not in elsewhere]
    if len(single) < 2:
        return [Unit((layer,), marks.get((layer.type, layer.name))) for layer in net.layers]
    groups: dict[int, list[Layer]] = {}
    signs = signatures(net.layers)
    for layer in single:
        groups.setdefault(signs[layer], []).append(layer)
    result: list[Unit] = []
    seen: set[int] = set()
    for layer in net.layers:
        if id(layer) in seen:
            continue
        group = groups.get(signs[layer], [layer])
        group = group if layer in group else [layer]
        seen.update(map(id, group))
        result.append(Unit(tuple(group), marks.get((layer.type, layer.name))))
    return result


def signatures(layers: Sequence[Layer]) -> dict[Layer, int]:
    """A number for each layer, equal for layers that compute the same from the same: twins.

    Which of its tops a Slice or Split hands on makes no difference: the towers behind them are twins.
    """
    signs: dict[Layer, int] = {}
    for layer in layers:
        read = tuple((signs[b.producer], 0 if b.producer.splits_towers else b.index) for b in layer.bottoms)
        message = type(layer.message)()
        message.CopyFrom(layer.message)
        for name in ("name", "bottom", "top", "include", "exclude"):
            message.ClearField(name)
        signs[layer] = hash((message.SerializeToString(deterministic=True), len(layer.tops), layer.in_place, read))
    return signs
