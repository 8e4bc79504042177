"""ONNX of normalisations, and of a factor, a bias or a slope that is broadcast."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from netdef.layers.normalize import DIVISOR, SCALE
from runtime.exchange.onnx_out.graph import Scope
from runtime.exchange.onnx_out.registry import refused, writes

NORM, AND = "BatchNorm ", " -> "  # a note on a node, for `netdef import`: that it is a BatchNorm alone, or one and its top


@writes("LRN")
def lrn(layer: Any, on: Scope) -> None:
    if layer.within_channel:
        _within_channel(layer, on)
        return
    rule = {"size": layer.size, "alpha": layer.alpha, "beta": layer.beta, "bias": layer.k}
    if layer.group == 1:
        on.out("LRN", on.x, **rule)
        return
    _, channels, *sides = layer.tops[0].shape
    towers = on.op("LRN", on.reshaped(on.x, -1, channels // layer.group, *sides), **rule)
    on.out("Reshape", towers, on.whole(-1, channels, *sides, form="shape"))


def _within_channel(layer: Any, on: Scope) -> None:
    """x * (1 + alpha * mean of squares) ** -beta; the mean counts what lies beyond the image as 0."""
    half = layer.size // 2
    squares = on.op("Mul", on.x, on.x)
    mean = on.op("AveragePool", squares, kernel_shape=(layer.size,) * 2, pads=(half,) * 4, strides=(1, 1), count_include_pad=1)
    scale = on.shifted(on.scaled(mean, layer.alpha, "alpha"), 1.0)
    on.out("Mul", on.x, on.op("Pow", scale, on.constant(np.float32(-layer.beta), "beta")))


@writes("BatchNorm")
def batch_norm(layer: Any, on: Scope) -> None:
    if not layer.use_global_stats:
        _of_batch(layer, on, (SCALE, SCALE + 1) if layer.scale_bias else None)
    elif scale_behind(layer) is None:
        _with_statistics(layer, on, (SCALE, SCALE + 1) if layer.scale_bias else None, _statistics(on))


def _statistics(on: Scope) -> list[str]:
    """Mean and variance of a BatchNorm: its sums, divided."""
    divisor = on.array(DIVISOR).item()
    factor = np.float32(0 if divisor == 0 else 1 / divisor)
    return [on.weight(index, lambda array: array * factor, form) for index, form in enumerate(("mean", "variance"))]


def scale_behind(layer: Any) -> Any:
    """The Scale of each channel that alone reads a BatchNorm, and that one node computes with it; None where there is none."""
    readers = layer.tops[0].consumers
    if len(readers) != 1 or readers[0].type != "Scale" or layer.scale_bias or len(layer.bottoms[0].shape) < 2:
        return None
    (scale,) = readers
    whole = len(scale.bottoms) == 1 and scale.bias_term and scale.axis == 1 and scale.p.num_axes == 1
    return scale if whole and layer.use_global_stats else None


@writes("BN")
def bn(layer: Any, on: Scope) -> None:
    if layer.only_scales:
        _, slope = (_spread(layer, on, index) for index in (1, 0))
        on.out("Add", on.op("Mul", on.x, slope), _spread(layer, on, 1))
    elif layer.uses_batch_statistics:
        _of_batch(layer, on, (0, 1))
    else:
        flat = [on.weight(index, np.ravel, form) for index, form in ((2, "mean"), (3, "variance"))]
        _with_statistics(layer, on, (0, 1), flat)


def _with_statistics(layer: Any, on: Scope, learned: tuple[int, int] | None, statistics: list[str]) -> None:
    channels = layer.channels
    if len(layer.bottoms[0].shape) < 2:
        raise refused(layer, "its input has no axis of channels", "bottom", 0)
    if learned is None:
        pair = [on.constant(np.full(channels, value, np.float32), form) for value, form in ((1, "scale"), (0, "shift"))]
    else:
        pair = [on.weight(index, np.ravel, form) for index, form in zip(learned, ("scale", "shift"), strict=True)]
    alone = NORM if learned is None else None
    on.out("BatchNormalization", on.x, *pair, *statistics, epsilon=layer.eps, doc_string=alone)


def _of_batch(layer: Any, on: Scope, learned: tuple[int, int] | None) -> None:
    """By the mean and variance of the batch itself."""
    shape = layer.bottoms[0].shape
    others = [axis for axis in range(len(shape)) if axis != 1]
    centred = _centred(on, on.x, others, shape)
    variance = _mean(on, on.op("Mul", centred, centred), others, shape)
    deviation = on.op("Sqrt", on.shifted(variance, layer.eps, "eps"))
    if learned is None:
        on.out("Div", centred, deviation)
        return
    unit = on.op("Div", centred, deviation)
    on.out("Add", on.op("Mul", unit, _spread(layer, on, learned[0])), _spread(layer, on, learned[1]))


def _mean(on: Scope, x: str, axes: list[int], shape: tuple[int, ...]) -> str:
    """The mean over some axes, which stay with one element."""
    if 0 not in axes:
        return on.scaled(on.summed(x, *axes), 1 / prod(shape[axis] for axis in axes), "count")
    return on.op("ReduceMean", x, axes=axes) if on.opset < 18 else on.op("ReduceMean", x, on.whole(*axes, form="axes"))


def _centred(on: Scope, x: str, axes: list[int], shape: tuple[int, ...]) -> str:
    return on.op("Sub", x, _mean(on, x, axes, shape))


def _spread(layer: Any, on: Scope, index: int, form: str = "") -> str:
    """A parameter with a number a channel, to be broadcast."""
    axes = len(layer.bottoms[0].shape) - 2
    return on.weight(index, lambda array: array.reshape(-1, *[1] * axes), form or f"{index}.spread")


@writes("Normalize")
def normalize(layer: Any, on: Scope) -> None:
    """x / sqrt(sum of squares + eps) * scale."""
    axes = range(1, len(layer.bottoms[0].shape)) if layer.across_spatial else [1]
    total = on.shifted(on.summed(on.op("Mul", on.x, on.x), *axes), layer.eps, "eps")
    on.out("Mul", on.op("Div", on.x, on.op("Sqrt", total)), _spread(layer, on, 0))


@writes("MVN")
def mvn(layer: Any, on: Scope) -> None:
    """(x - mean) / (deviation + eps)."""
    shape = layer.bottoms[0].shape
    axes = list(range(1 if layer.p.across_channels else min(2, len(shape)), len(shape)))
    if not axes:
        raise refused(layer, "its input has no axis to take a mean over", "bottom", 0)
    mean = _mean(on, on.x, axes, shape)
    if not layer.p.normalize_variance:
        on.out("Sub", on.x, mean)
        return
    centred = on.op("Sub", on.x, mean)
    variance = _mean(on, on.op("Mul", centred, centred), axes, shape)
    on.out("Div", centred, on.shifted(on.op("Sqrt", variance), layer.p.eps, "eps"))


@writes("Scale")
def scale(layer: Any, on: Scope) -> None:
    norm = layer.bottoms[0].producer
    if norm.type == "BatchNorm" and scale_behind(norm) is layer:
        of_norm = Scope(on.graph, norm)
        note = f"{NORM}{norm.name}{AND}{on.x}"
        on.out(
            "BatchNormalization", of_norm.x, on.weight(0), on.weight(1), *_statistics(of_norm), epsilon=norm.eps, doc_string=note
        )
        return
    factor, index = (_second(layer, on), 0) if len(layer.bottoms) == 2 else (_aligned(layer, on, 0), 1)
    if layer.bias_term:
        on.out("Add", on.op("Mul", on.x, factor), _aligned(layer, on, index))
    else:
        on.out("Mul", on.x, factor)


@writes("Bias")
def bias(layer: Any, on: Scope) -> None:
    on.out("Add", on.x, _second(layer, on) if len(layer.bottoms) == 2 else _aligned(layer, on, 0))


def _aligned(layer: Any, on: Scope, index: int) -> str:
    """A parameter with axes of one element behind it, so that it is broadcast from the layer's axis on."""
    missing = len(layer.bottoms[0].shape) - layer.axis - len(layer.operand_shape)
    return (
        on.weight(index, lambda array: array.reshape(*array.shape, *[1] * missing), f"{index}.spread")
        if missing
        else on.weight(index)
    )


def _second(layer: Any, on: Scope) -> str:
    """The second bottom, broadcast in the same way."""
    shape = layer.bottoms[1].shape
    missing = len(layer.bottoms[0].shape) - layer.axis - len(shape)
    kept = [0 if axis == 0 and layer.axis == 0 else size for axis, size in enumerate(shape)]
    return on.reshaped(on.inputs[1], *kept, *[1] * missing) if missing and shape else on.inputs[1]


@writes("PReLU")
def prelu(layer: Any, on: Scope) -> None:
    on.out("PRelu", on.x, on.weight(0) if layer.channel_shared else _spread(layer, on, 0, "slopes"))
