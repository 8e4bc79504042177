"""ONNX of sources, and of layers that pass on what they read."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from runtime.exchange.onnx_out.graph import Scope
from runtime.exchange.onnx_out.registry import refused, writes


@writes("Input")
def input_blobs(layer: Any, on: Scope) -> None:
    """Its tops are the graph's inputs."""


@writes("DummyData")
def dummy_data(layer: Any, on: Scope) -> None:
    for index, filler in enumerate(layer.fillers):
        shape = layer.tops[index].shape
        on.out("Identity", on.constant(np.full(shape, filler.value, np.float32), "value"), top=index)


@writes("Parameter")
def parameter(layer: Any, on: Scope) -> None:
    on.out("Identity", on.weight(0))


@writes("Split")
def split(layer: Any, on: Scope) -> None:
    for index in range(len(layer.tops)):
        on.out("Identity", on.x, top=index)


@writes("Dropout")
def dropout(layer: Any, on: Scope) -> None:
    if layer.phase == "train" and layer.ratio:
        raise refused(layer, "it draws random numbers in phase train")
    if layer.scales_in_testing:
        on.out("Mul", on.x, on.constant(np.float32(1 - layer.ratio), "kept"))
        return
    on.out("Dropout", on.x, on.constant(np.float32(layer.ratio), "ratio"))


@writes("Concat")
def concat(layer: Any, on: Scope) -> None:
    on.out("Concat", *on.inputs, axis=layer.axis)


@writes("Slice")
def slice_blob(layer: Any, on: Scope) -> None:
    sizes = [end - begin for begin, end in pairwise(layer.points)]
    if len(sizes) == 1:
        on.out("Identity", on.x)
        return
    on.out("Split", on.x, on.whole(*sizes), top=range(len(sizes)), axis=layer.axis)


@writes("Crop")
def crop(layer: Any, on: Scope) -> None:
    axes = range(layer.axis, len(layer.tops[0].shape))
    starts = [layer.offsets[axis] for axis in axes]
    ends = [start + layer.tops[0].shape[axis] for start, axis in zip(starts, axes, strict=True)]
    on.out("Slice", on.x, *on.bounds(starts, ends, axes))


@writes("Tile")
def tile(layer: Any, on: Scope) -> None:
    repeats = [1] * len(layer.tops[0].shape)
    repeats[layer.axis] = layer.tiles
    on.out("Tile", on.x, on.whole(*repeats, form="repeats"))


@writes("BatchReindex")
def batch_reindex(layer: Any, on: Scope) -> None:
    on.out("Gather", on.x, on.op("Cast", on.inputs[1], to=INT64), axis=0)


@writes("Filter")
def keep_some(layer: Any, on: Scope) -> None:
    selector = on.op("Cast", on.reshaped(on.inputs[-1], -1), to=BOOL)
    for index, blob in enumerate(on.inputs[:-1]):
        on.out("Compress", blob, selector, top=index, axis=0)


FLOAT, INT64, BOOL = 1, 7, 9  # of onnx.TensorProto
