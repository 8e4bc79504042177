"""Convolution, by products of matrices and without."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

from runtime.kernels.cuda.options import Target
from tests.runtime.kernels.cuda.cases.case import Case, Pair, Shape, normal, out

ALEXNET_WINDOWS = (((11, 11), (4, 4), (0, 0), 1), ((5, 5), (1, 1), (2, 2), 2), ((3, 3), (1, 1), (1, 1), 2))


def convolution_cases() -> Iterator[Case]:
    """AlexNet's windows, and others; matrices of one output row at a time, of all, and in between."""
    one = (1, 1)
    geometries: Sequence[tuple[Pair, Pair, Pair, Pair, int, Shape, int]] = (  # kernel, stride, pad, dilation, group, x, O
        *((k, s, p, one, g, (3 * g, 23, 23, N), 2 * g) for k, s, p, g in ALEXNET_WINDOWS for N in (1, 4)),
        ((3, 3), one, (1, 1), one, 2, (96, 5, 3, 32), 48),
        ((3, 3), one, (1, 1), one, 1, (64, 4, 3, 16), 8),  # all three directions by tiles on the CPU
        (one, one, (0, 0), one, 2, (8, 5, 7, 3), 6),
        (one, one, (0, 0), one, 1, (2, 16, 8, 32), 2),  # the CPU sums the weights' gradient in two segments
        (one, (2, 2), (0, 0), one, 1, (3, 7, 7, 128), 5),  # one element, yet with steps between
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
        for rows_at_once in (1, 3, OH):
            limit = 4 * group * rows * OW * N * rows_at_once
            extra = {"has_bias": True, "relu": rows_at_once == 1, "slope": 0.1 if group == 1 else 0.0}
            arrays = (normal(*x), normal(*w), normal(O), out(*y))
            yield Case("conv2d", arrays, {**geometry, **extra}, close=1e-4, target=Target(limit, conv="im2col"))
            arrays = (normal(*x), normal(*y), out(*w))
            yield Case("conv2d_weight_gradient", arrays, geometry, close=1e-3, target=Target(limit, conv="im2col"))
            arrays = (normal(*y), normal(*w), out(*x))
            yield Case("conv2d_input_gradient", arrays, geometry, close=1e-4, target=Target(limit, conv="im2col"))
        yield Case("bias_gradient", (normal(1, *y[:2], OW * N), out(O)), close=1e-4)
        window = {name: value for name, value in geometry.items() if name != "group"}
        if (kernel, stride) != (one, one):
            columns = (C * prod(kernel), OH, OW, N)
            yield Case("im2col", (normal(*x), out(*columns)), window, close=0)
            yield Case("col2im", (normal(*columns), out(*x)), window, close=1e-5)
