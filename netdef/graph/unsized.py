"""Layers of types that nobody here knows, and layers behind them, whose shapes are not known."""

from __future__ import annotations

from typing import Any

from netdef.graph.cuts import Cuts
from netdef.graph.layer import ANY, Layer
from netdef.graph.shape import UNKNOWN, Shape


class Unknown(Layer):
    """A layer of a type that nobody here knows: it is kept, and the shapes of its tops are not known."""

    bottoms_allowed = (0, ANY)
    tops_allowed = (0, ANY)
    is_report = True
    settings_by_phase = frozenset()

    def output_shapes(self, *bottoms: Shape) -> list[Shape]:
        return [UNKNOWN] * len(self.message.top)


class Unsized:
    """What a layer answers that reads a blob whose shape is not known, or makes one."""

    cuts = Cuts()
    channel_groups = 1
    macs = 0
    window_text = ("", "")
    spatial_axes = 2
    label_classes = None

    @property
    def axis(self: Any) -> int | None:
        """As the file has it: how many axes there are is not known."""
        return getattr(self.p, "axis", None)


_FAMILIES: dict[type[Layer], type[Layer]] = {}


def unsized(family: type[Layer]) -> type[Layer]:
    """The same layer type where shapes are not known."""
    if family not in _FAMILIES:
        members = {"__doc__": family.__doc__, "__module__": family.__module__}
        _FAMILIES[family] = type(family.__name__, (Unsized, family), members)
    return _FAMILIES[family]


def weights_unknown(layer: Layer) -> bool:
    """Whether a layer may have weights whose shapes are not known."""
    if isinstance(layer, Unknown):
        return True
    return isinstance(layer, Unsized) and type(layer).parameter_shapes is not Layer.parameter_shapes


def make_unsized(layer: Layer) -> None:
    """Let a layer answer as one does whose shapes are not known."""
    if not isinstance(layer, (Unknown, Unsized)):
        layer.__class__ = unsized(type(layer))
