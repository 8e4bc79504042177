"""Constant DummyData: as in Caffe they are filled once, so that what a script writes there stays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from netdef.graph.layer import Blob
from netdef.layers.input import DummyData
from runtime.ir.program import Buffer, Program

if TYPE_CHECKING:
    from netdef.graph.net import Net
    from runtime.compiler.pipeline import Update


def fill_once(update: Update | None = None) -> Update:
    """An `update` of `compile` that takes the fills of constants out of the forward list; and another one after it."""

    def apply(program: Program) -> Program:
        constant = {buffer.root for _, buffer, _ in constants(program.net, program)}
        kept = tuple(one for one in program.forward if not (one.kernel == "fill" and one.outputs[0].root in constant))
        program = replace(program, forward=kept)
        return update(program) if update else program

    return apply


def constants(net: Net, program: Program) -> Iterator[tuple[Blob, Buffer, float]]:
    """The constant tops of a net's DummyData layers, each with its buffer and its value."""
    for layer in net.layers:
        if isinstance(layer, DummyData):
            for top, filler in zip(layer.tops, layer.fillers, strict=True):
                if filler.type == "constant":
                    yield top, program.blobs[top], filler.value
