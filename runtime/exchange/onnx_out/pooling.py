"""ONNX of pooling.  Caffe rounds the number of windows up; a mean divides by a window's elements up to the end of the padding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from netdef.layers.pooling import Pooling
from netdef.layers.window import pooled
from runtime.exchange.onnx_out.graph import Scope
from runtime.exchange.onnx_out.registry import refused, writes
from runtime.exchange.onnx_out.sources import FLOAT, INT64

CLIPS = 22  # the first opset in which a last window that starts beyond image and padding is dropped, as Caffe drops it
Pair = tuple[int, ...]


@dataclass(frozen=True)
class Windows:
    """One pooling: the sides of the image, the window, and how many windows there are along each side."""

    sides: Pair
    kernel: Pair
    stride: Pair
    pad: Pair
    counts: Pair

    @property
    def beyond(self) -> Pair:
        """How far the last window reaches beyond image and padding; below 0: how much is left over."""
        every = zip(self.counts, self.stride, self.kernel, self.sides, self.pad, strict=True)
        return tuple((count - 1) * stride + kernel - size - 2 * pad for count, stride, kernel, size, pad in every)

    @property
    def has_empty(self) -> bool:
        """Whether a window holds nothing of the image."""
        every = zip(self.counts, self.stride, self.pad, self.sides, strict=True)
        return any((count - 1) * stride - pad >= size for count, stride, pad, size in every)

    @property
    def pads_more_than_half(self) -> bool:
        """Whether the padding is more than half of the window, which PyTorch does not take."""
        return any(2 * pad > size for pad, size in zip(self.pad, self.kernel, strict=True))

    @property
    def is_clipped(self) -> bool:
        """Whether rounding up alone would make more windows."""
        every = zip(self.sides, self.kernel, self.stride, self.pad, strict=True)
        return tuple(pooled(*window, clip=False) for window in every) != self.counts

    def attributes(self, opset: int) -> dict[str, Any]:
        """Of a MaxPool."""
        found: dict[str, Any] = {"kernel_shape": self.kernel, "strides": self.stride, "pads": (*self.pad, *self.pad)}
        if max(self.beyond) > 0:
            if opset >= CLIPS or not self.is_clipped:
                return {**found, "ceil_mode": 1}
            ends = tuple(pad + max(0, more) for pad, more in zip(self.pad, self.beyond, strict=True))
            found["pads"] = (*self.pad, *ends)
        return found


def write_pool(on: Scope, method: str, x: str, windows: Windows) -> tuple[str, list[str], dict[str, Any]]:
    """The operator, inputs and attributes of the node that pools x by MAX or AVE."""
    if method == "MAX":
        return "MaxPool", [x], windows.attributes(on.opset)
    if any(windows.pad) and max(windows.beyond) > 0:  # ONNX does not say by what such a window is divided
        ends = [0, 0, *windows.pad] * 2
        x = on.op("Pad", x, on.whole(*ends, form="pads"))
        sides = tuple(size + 2 * pad for size, pad in zip(windows.sides, windows.pad, strict=True))
        windows = Windows(sides, windows.kernel, windows.stride, (0, 0), windows.counts)
    return "AveragePool", [x], {**windows.attributes(on.opset), "count_include_pad": int(any(windows.pad)) or None}


@writes("Pooling")
def pooling(layer: Pooling, on: Scope) -> None:
    if layer.global_pooling and layer.method != "STOCHASTIC" and len(layer.tops) == 1:
        on.out("GlobalMaxPool" if layer.method == "MAX" else "GlobalAveragePool", on.x)
        return
    windows = Windows(layer.bottoms[0].shape[2:], layer.kernel, layer.stride, layer.pad, layer.tops[0].shape[2:])
    if windows.has_empty:
        raise refused(layer, "its last window lies beyond the image, which Caffe pools to a number without a meaning", "stride")
    if layer.method == "STOCHASTIC":
        _stochastic(layer, on, windows)
        return
    kind, inputs, attributes = write_pool(on, layer.method, on.x, windows)
    if len(layer.tops) == 1:
        on.out(kind, *inputs, **attributes)
        return
    values, indices = on.op(kind, *inputs, outputs=2, **attributes)
    on.out("Identity", values)
    height, width = layer.bottoms[0].shape[2:]
    on.out("Cast", on.op("Mod", indices, on.whole(height * width, form="channel")), top=1, to=FLOAT)


def _stochastic(layer: Pooling, on: Scope, windows: Windows) -> None:
    """sum(x * x) / sum(x), 0 where the sum is not above 0."""
    if layer.phase == "train":
        raise refused(layer, "it draws random numbers in phase train", "pool")
    kind, inputs, attributes = write_pool(on, "AVE", on.op("Mul", on.x, on.x), windows)
    squares = on.op(kind, *inputs, **attributes)
    kind, inputs, attributes = write_pool(on, "AVE", on.x, windows)
    sums, zero = on.op(kind, *inputs, **attributes), on.constant(np.float32(0), "zero")
    on.out("Where", on.op("Greater", sums, zero), on.op("Div", squares, sums), zero)


@writes("SPP")
def pyramid(layer: Any, on: Scope) -> None:
    if layer.method == "STOCHASTIC":
        raise refused(layer, "a rule is missing for its STOCHASTIC pooling", "pool")
    levels = []
    for index in range(layer.pyramid_height):
        kernel, pad = layer.level(index)
        windows = Windows(layer.bottoms[0].shape[2:], kernel, kernel, pad, layer.cells(index))
        if windows.has_empty:
            raise refused(layer, f"cells of its level {index + 1} lie beyond the image", "pyramid_height")
        kind, inputs, attributes = write_pool(on, layer.method, on.x, windows)
        if layer.pyramid_height == 1:
            on.out(kind, *inputs, **attributes)
            return
        levels.append(on.op("Flatten", on.op(kind, *inputs, **attributes), axis=1))
    on.out("Concat", *levels, axis=1)


@writes("Upsample")
def upsample(layer: Any, on: Scope) -> None:
    """Zeros, with each number at its index in its channel; YOLO's repeats each number."""
    rows, columns = layer.size
    if layer.repeats:
        by = on.constant(np.array([1, 1, layer.p.scale, layer.p.scale], np.float32), "scales")
        on.out("Resize", on.x, None, by, mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
        return
    channels = layer.bottoms[0].shape[1]
    numbers = on.reshaped(on.x, 0, channels, -1)
    places = on.op("Cast", on.reshaped(on.inputs[1], 0, channels, -1), to=INT64)
    first = on.sliced(numbers, [0], [1], [2])
    none = on.op("Mul", first, on.constant(np.float32(0), "zero"))
    blank = on.op("Expand", none, on.whole(1, channels, rows * columns, form="channel"))
    on.out("Reshape", on.op("ScatterElements", blank, places, numbers, axis=2), on.whole(0, channels, rows, columns, form="shape"))


@writes("Interp")
def interp(layer: Any, on: Scope) -> None:
    """Bilinear interpolation, corners on corners."""
    x, (height, width) = on.x, layer.inside
    if (height, width) != layer.bottoms[0].shape[2:]:
        first = -layer.p.pad_beg
        x = on.sliced(x, [first, first], [first + height, first + width], [2, 3])
    rule: dict[str, Any] = {"mode": "linear", "coordinate_transformation_mode": "align_corners"}
    if on.opset >= 18:
        on.out("Resize", x, None, None, on.whole(*layer.size), axes=(2, 3), **rule)
    else:
        on.out("Resize", x, None, None, on.whole(*layer.tops[0].shape), **rule)
