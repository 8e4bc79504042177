"""How Silence lowers: to nothing at all; it sends no gradient."""

from __future__ import annotations

from netdef.layers.sink import Silence
from runtime.lowering import Builder, lowers


@lowers(Silence, gradients=())
def lower(layer: Silence, build: Builder) -> None:
    pass
