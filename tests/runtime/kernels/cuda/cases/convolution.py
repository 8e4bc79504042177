"""Convolution, by products of matrices and without."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from math import prod

from runtime.kernels.cuda.options import Target
from tests.runtime.kernels.cuda.cases.case import Case, Pair, Shape, Spec, normal, out, whole

ALEXNET_WINDOWS = (((11, 11), (4, 4), (0, 0), 1), ((5, 5), (1, 1), (2, 2), 2), ((3, 3), (1, 1), (1, 1), 2))


def convolution_cases() -> Iterator[Case]:
    """AlexNet's windows, and others; matrices of one output row at a time, of all, and in between."""
    one = (1, 1)
    geometries: Sequence[tuple[Pair, Pair, Pair, Pair, int, Shape, int]] = (  # kernel, stride, pad, dilation, group, x, O
        *((k, s, p, one, g, (3 * g, 23, 23, N), 2 * g) for k, s, p, g in ALEXNET_WINDOWS for N in (1, 4)),
        ((3, 3), one, (1, 1), one, 2, (96, 5, 3, 32), 48),
        ((3, 3), one, (1, 1), one, 1, (64, 4, 3, 16), 16),  # forward and back by tiles on the CPU
        (one, one, (0, 0), one, 2, (8, 5, 7, 3), 6),
        (one, one, (0, 0), one, 1, (2, 16, 8, 32), 2),  # the CPU sums the weights' gradient in two segments
        (one, (2, 2), (0, 0), one, 1, (3, 7, 7, 128), 5),  # one element, yet with strides
        ((5, 3), (2, 1), (2, 0), one, 2, (4, 9, 8, 3), 6),
        ((3, 3), one, (2, 2), (2, 2), 3, (6, 11, 11, 1), 3),
        ((3, 2), (2, 3), (1, 2), (3, 2), 1, (3, 13, 11, 32), 4),
        ((2, 2), (3, 4), (1, 1), one, 1, (2, 6, 7, 3), 5),  # rows of x that no window sees
        ((3, 3), one, (4, 4), one, 4, (4, 5, 5, 8), 4),  # more padding than kernel
        ((3, 3), (2, 2), (1, 1), one, 5, (5, 9, 8, 4), 10),  # depthwise
        ((5, 3), (2, 1), (2, 0), (1, 2), 3, (3, 9, 8, 3), 3),
        ((3, 3), one, (1, 1), one, 2, (2, 17, 33, 32), 2),
        ((2, 2), (3, 4), (2, 1), (2, 1), 4, (4, 6, 7, 8), 4),  # weights that meet nothing, pixels that no window sees
        ((1, 3), (1, 2), (0, 2), one, 3, (3, 1, 7, 1), 9),
        ((2, 11), one, (0, 5), one, 2, (2, 4, 9, 4), 2),  # as wide as cards take them without products
    )
    for kernel, stride, pad, dilation, group, x, O in geometries:
        C, H, W, N = x
        OH, OW = (
            (n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in zip((H, W), kernel, stride, pad, dilation, strict=True)
        )
        y, rows = (O, OH, OW, N), C // group * prod(kernel)
        w = (O, C // group, *kernel)
        geometry = {"kernel": kernel, "stride": stride, "pad": pad, "dilation": dilation, "group": group}
        for rows_at_once in (1, 3, OH):  # by copies of windows, and by tiles below
            limit = 4 * group * rows * OW * N * rows_at_once
            extra = {"has_bias": True, "relu": rows_at_once == 1, "slope": 0.1 if group == 1 else 0.0}
            arrays = (normal(*x), normal(*w), normal(O), out(*y))
            yield Case("conv2d", arrays, {**geometry, **extra}, close=1e-4, target=Target(limit, conv="im2col"))
            if group < C and rows_at_once == 1:
                arrays = (normal(*x), normal(*w), normal(O), normal(*y), out(*y))
                yield Case("conv2d_add", arrays, {**geometry, **extra}, close=1e-4, target=Target(limit, conv="im2col"))
            arrays = (normal(*x), normal(*y), out(*w))
            yield Case("conv2d_weight_gradient", arrays, geometry, close=1e-3, target=Target(limit, 1, conv="im2col"))
            if rows_at_once == 3 and kernel == one:  # in splits, where there are positions enough
                yield Case("conv2d_weight_gradient", arrays, geometry, close=1e-3, target=Target(1 << 20, conv="im2col"))
            arrays = (normal(*y), normal(*w), out(*x))
            yield Case("conv2d_input_gradient", arrays, geometry, close=1e-4, target=Target(limit, conv="im2col"))
        yield Case("bias_gradient", (normal(1, *y[:2], OW * N), out(O)), close=1e-4)
        window = {name: value for name, value in geometry.items() if name != "group"}
        if (kernel, stride) != (one, one):
            columns = (C * prod(kernel), OH, OW, N)
            yield Case("im2col", (normal(*x), out(*columns)), window, close=0)
            yield Case("col2im", (normal(*columns), out(*x)), window, close=1e-5)
    square = {"kernel": (3, 3), "stride": one, "pad": one, "dilation": one, "group": 1}  # by tiles on the CPU
    arrays = (normal(16, 4, 3, 160), normal(16, 4, 3, 160), out(16, 16, 3, 3))
    yield Case("conv2d_weight_gradient", arrays, square, close=1e-3, target=Target(1 << 24, 1, conv="im2col"))


def tile_cases() -> Iterator[Case]:
    """By tiles: each height, in each mode; edges, strides, groups, weights that are no whole packs; several splits of a sum.

    Small whole numbers are the same in every mode, so that a number in a wrong place shows.
    """
    one, small = (1, 1), partial(whole, 7)
    shapes: Sequence[tuple[Pair, Pair, Pair, Pair, int, Shape, int]] = (  # kernel, stride, pad, dilation, group, x, O
        ((3, 3), one, one, one, 1, (3, 5, 6, 4), 20),
        ((3, 3), one, one, one, 1, (3, 5, 6, 4), 50),
        ((3, 3), one, one, one, 1, (3, 5, 6, 4), 90),
        ((3, 3), one, one, one, 1, (3, 5, 6, 4), 125),
        ((2, 3), (2, 1), (1, 0), (1, 2), 2, (8, 7, 8, 12), 70),
    )
    modes = {"fp32": (0, 2, 3, 4), "3xtf32": (0, 2, 4), "tf32": (1, 4), "bf16": (1, 4)}
    for math, chosen in modes.items():
        for index in chosen:
            made = small if math in ("tf32", "bf16") or index == 4 else normal
            yield from by_tiles(*shapes[index], made, Target(1 << 20, 2, math))
    yield from by_tiles(one, one, (0, 0), one, 1, (8, 3, 4, 16), 9, normal, Target(1 << 20, 2, "3xtf32"))
    yield from by_tiles((3, 3), one, one, one, 1, (2, 9, 8, 32), 5, normal, Target(1 << 20, 132 // 4, "fp32"))  # in splits
    strided: Sequence[tuple[Pair, Pair, Pair, Pair, int, Shape, int]] = (
        ((1, 1), (2, 2), (0, 0), one, 1, (3, 5, 4, 4), 8),  # inputs that no window sees
        ((2, 3), (3, 4), one, (2, 2), 2, (4, 9, 8, 4), 6),  # of a dilation that has a factor of the stride
        ((3, 2), (4, 2), (3, 0), (3, 1), 1, (2, 3, 9, 8), 3),  # fewer rows than a step
    )
    for kernel, stride, pad, dilation, group, x, O in strided:
        *_, gradient = by_tiles(kernel, stride, pad, dilation, group, x, O, normal, Target(1 << 20, 2, "fp32"))
        yield gradient


def by_tiles(
    kernel: Pair, stride: Pair, pad: Pair, dilation: Pair, group: int, x: Shape, O: int, made: Callable[..., Spec], target: Target
) -> Iterator[Case]:
    """A convolution's three directions."""
    geometry = {"kernel": kernel, "stride": stride, "pad": pad, "dilation": dilation, "group": group}
    OH, OW = ((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in zip(x[1:3], kernel, stride, pad, dilation, strict=True))
    y, w = (O, OH, OW, x[3]), (O, x[0] // group, *kernel)
    epilogue = {"has_bias": True, "relu": True, "slope": 0.1 if group == 1 else 0.0}
    yield Case("conv2d", (made(*x), made(*w), made(O), out(*y)), {**geometry, **epilogue}, target=target)
    yield Case("conv2d_add", (made(*x), made(*w), made(O), made(*y), out(*y)), {**geometry, **epilogue}, target=target)
    yield Case("conv2d_weight_gradient", (made(*x), made(*y), out(*w)), geometry, close=1e-4, target=target)
    if stride == (1, 1) or target.math != "tf32":  # of strides, one mode of a kind
        yield Case("conv2d_input_gradient", (made(*y), made(*w), out(*x)), geometry, close=1e-4, target=target)
