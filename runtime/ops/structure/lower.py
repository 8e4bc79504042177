"""How layers lower that only shape the graph: Input, Split and Silence make no instruction."""

from __future__ import annotations

from netdef.layers.input import Input
from netdef.layers.select import Split
from netdef.layers.sink import Silence
from runtime.ir.builder import Builder
from runtime.ops.registry import lowers


@lowers(Input)
def lower_input(layer: Input, build: Builder) -> None:
    for index in range(len(layer.tops)):
        build.top(layer, index, role="input")


@lowers(Split)
def lower_split(layer: Split, build: Builder) -> None:
    for top in range(len(layer.tops)):
        build.alias(layer, top, 0)
        if build.needs_gradient(layer, 0):
            build.alias_gradient(layer, top, 0)


@lowers(Silence)
def lower_silence(layer: Silence, build: Builder) -> None:
    pass
