"""Input layers: buffers that the host fills before a run."""

from __future__ import annotations

from netdef.layers.input import Input
from runtime.lowering import Builder, lowers


@lowers(Input, gradients=())
def lower(layer: Input, build: Builder) -> None:
    for index in range(len(layer.tops)):
        build.top(layer, index, role="input")
