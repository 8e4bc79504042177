"""How made-up data lower: constants by a plain fill, the rest by a filler in each iteration, as in Caffe."""

from __future__ import annotations

from netdef.layers.input import DummyData
from runtime.ir.builder import Builder
from runtime.ops.registry import lowers


@lowers(DummyData)
def lower(layer: DummyData, build: Builder) -> None:
    for index, (top, filler) in enumerate(zip(layer.tops, layer.fillers, strict=True)):
        y = build.top(layer, index)
        if filler.type == "constant":
            build.forward("fill", out=y.flat(), value=filler.value)
        else:
            key = {"seed": build.seed(layer)[0], "name": str(top)}
            build.forward("random_fill", build.scalar("iteration"), out=y, filler=filler, shape=top.shape, **key)
