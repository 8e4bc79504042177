"""Pooling."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np

from runtime.kernels.cuda.options import Target
from runtime.kernels.cuda.registry import DEFAULT
from tests.runtime.kernels.cuda.cases.case import Case, Pair, Shape, Spec, normal, out, ties, value, whole
from tests.runtime.kernels.cuda.cases.shapes import some_shapes


def windows_along(size: int, kernel: int, stride: int, pad: int) -> int:
    """Caffe's rule: rounded up; with padding no window starts beyond the image."""
    count = -(-(size + 2 * pad - kernel) // stride) + 1
    return count - 1 if pad and (count - 1) * stride >= size + pad else count


TWO_ROWS = Target(multiprocessors=0)  # of which any number of blocks is enough


def pooling_cases() -> Iterator[Case]:
    windows = (
        ((3, 3), (2, 2), (0, 0)),
        ((3, 3), (2, 2), (1, 1)),
        ((2, 3), (2, 1), (0, 0)),
        ((7, 6), (1, 1), (0, 0)),
        ((17, 17), (2, 2), (3, 3)),  # more places than a byte can tell
        ((5, 4), (3, 3), (4, 2)),
        ((1, 1), (3, 3), (0, 0)),  # windows wholly outside
    )
    for seed, (kernel, stride, pad) in enumerate(windows):
        geometry = {"kernel": kernel, "stride": stride, "pad": pad}
        kind = "uint8" if prod(kernel) <= 256 else "uint16"
        for C, H, W, N in some_shapes(seed, 5, kernel):
            OH, OW = map(windows_along, (H, W), kernel, stride, pad)
            x, y = (C, H, W, N), (C, OH, OW, N)
            for values in (normal, ties):
                yield Case("pool_max_forward", (values(*x), out(*y), out(*y, dtype=kind)), geometry, close=0)
            place = whole(prod(kernel), *y, dtype=kind)
            yield Case("pool_max_backward", (normal(*y), place, out(*x)), geometry, close=1e-6)
            if seed in (0, 3, 5):
                yield from fused_and_in_pairs((C, H, W, N), y, place, geometry, 0.1 * seed)
            yield Case("pool_positions", (place, out(*y)), {**geometry, "size": (H, W)}, close=0)
            yield Case("pool_ave_forward", (normal(*x), out(*y)), geometry)
            yield Case("pool_ave_backward", (normal(*y), out(*x)), geometry)
            some = Spec(x, lambda random, shape: np.maximum(0, random.standard_normal(shape)))
            turn, key = value(5_000_000_007, "int64"), {"key": (1701, 0xDEADBEEF)}
            for values in (some, ties(*x)):
                arrays = (values, turn, out(*y), out(*y, dtype=kind))
                yield Case("pool_stochastic_forward", arrays, {**key, **geometry}, close=0)
            yield Case("pool_weighted_forward", (some, out(*y)), geometry)


def fused_and_in_pairs(x: Shape, y: Shape, place: Spec, geometry: dict[str, Pair], slope: float) -> Iterator[Case]:
    """With the gradient of a ReLU, and that of a bias; and threads that take two rows."""
    masked = (normal(*y), place, normal(*x), out(*x))
    for target in (DEFAULT, TWO_ROWS):
        yield Case("pool_max_backward_relu", masked, {**geometry, "slope": slope}, close=1e-6, target=target)
        yield Case("pool_max_backward_relu_bias", (*masked, out(x[0])), {**geometry, "slope": slope}, close=1e-4, target=target)
    yield Case("pool_max_forward", (ties(*x), out(*y), out(*y, dtype=place.dtype)), geometry, close=0, target=TWO_ROWS)
    yield Case("pool_max_backward", (normal(*y), place, out(*x)), geometry, close=1e-6, target=TWO_ROWS)
    yield Case("pool_ave_forward", (normal(*x), out(*y)), geometry, target=TWO_ROWS)
    yield Case("pool_ave_backward", (normal(*y), out(*x)), geometry, target=TWO_ROWS)


def unpooling_cases() -> Iterator[Case]:
    """Positions that lie apart, and some that are the same; some of no element."""
    for (C, H, W, N), (OH, OW) in (((1, 1, 1, 1), (1, 1)), ((3, 2, 3, 5), (5, 7)), ((5, 4, 4, 32), (8, 9)), ((2, 5, 3, 1), (3, 5))):
        x, y = (C, H, W, N), (C, OH, OW, N)

        def apart(random: np.random.Generator, shape: tuple[int, ...], most: int = OH * OW) -> np.ndarray:
            C, H, W, N = shape
            rows = [random.permutation(max(most, H * W))[: H * W] for _ in range(C * N)]
            found = np.reshape(rows, (C, N, H, W)).transpose(0, 2, 3, 1)
            return np.where(found < most, found, -1)

        same = Spec(x, lambda random, shape, most=OH * OW: random.integers(-1, most, shape))
        yield Case("unpool_forward", (normal(*x), Spec(x, apart), out(*y)), {"apart": True}, close=0)
        yield Case("unpool_forward", (normal(*x), same, out(*y)), {"apart": False}, close=0)
        for positions in (same, Spec(x, apart)):
            yield Case("unpool_backward", (normal(*y), positions, out(*x)), close=0)
