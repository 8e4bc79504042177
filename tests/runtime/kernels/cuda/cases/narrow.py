"""Blobs of bfloat16: each kernel that has a form for them, and some that mix them with float32."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from runtime.kernels.cuda.options import Target
from tests.runtime.kernels.cuda.cases.case import Case, half, normal, out, ties, value, whole
from tests.runtime.kernels.cuda.cases.convolution import by_tiles
from tests.runtime.kernels.cuda.cases.inner_product import directions

BF16 = Target(1 << 20, 2, "bf16")


def narrow_cases() -> Iterator[Case]:
    """In packs and, where nothing but their width differs, in single numbers."""
    for count in (1024, 1027):
        yield narrow(Case("relu_backward", (normal(count), normal(count), out(count)), {"slope": 0.1}), 0, 1, 2)
    norm = {"size": 5, "alpha": 0.5, "beta": 0.75, "k": 2.0, "group": 2}
    yield narrow(Case("lrn_forward", (normal(34, 12), out(34, 12)), norm), 0, 1)
    yield narrow(Case("lrn_backward", (normal(34, 12), normal(34, 12), out(34, 12)), norm), 0, 1, 2)
    window = {"kernel": (3, 3), "stride": (2, 2), "pad": (1, 1)}
    x, y = (3, 7, 6, 12), (3, 4, 4, 12)
    largest = Case("pool_max_forward", (ties(*x), out(*y), out(*y, dtype="uint8")), window)
    yield in_packs(largest, 0, 1)
    yield in_packs(largest, 0)
    largest_of = Case("pool_max_backward", (normal(*y), whole(9, *y, dtype="uint8"), out(*x)), window)
    yield in_packs(largest_of, 0, 2)
    yield in_packs(largest_of, 2)
    relu = {"slope": 0.1}
    yield narrow(Case("lrn_backward_relu", (normal(34, 12), normal(34, 12), out(34, 12)), {**norm, **relu}), 0, 1, 2)
    summed = Case(
        "lrn_backward_relu_bias", (normal(34, 12), normal(34, 12), out(1, 34, 3, 4), out(34)), {**norm, **relu}, close=1e-4
    )
    yield narrow(summed, 0, 1, 2)
    yield narrow(replace(summed, constants={**norm, **relu, "size": 7}, close=2e-2), 0, 1, 2)  # of rounded numbers
    masked = Case("pool_max_backward_relu", (*largest_of.arrays[:2], normal(*x), out(*x)), {**window, **relu})
    yield in_packs(masked, 0, 2, 3)
    with_bias = replace(masked, kernel="pool_max_backward_relu_bias", arrays=(*masked.arrays, out(3)), close=1e-4)
    yield in_packs(with_bias, 0, 2, 3)
    yield in_packs(with_bias, 2)
    rows = (1, 5, 3, 12)
    yield narrow(Case("relu_backward_bias", (normal(*rows), ties(*rows), out(*rows), out(5)), relu, close=1e-4), 0, 1, 2)
    yield in_packs(Case("pool_ave_forward", (normal(*x), out(*y)), window), 0, 1)
    yield in_packs(Case("pool_ave_backward", (normal(*y), out(*x)), window), 0, 1)
    yield narrow(Case("bias_gradient", (normal(2, 5, 3, 12), out(5)), close=1e-4), 0)
    for stride in ((1, 1), (2, 2)):
        forward, _, weights, inputs = by_tiles((3, 3), stride, (1, 1), (1, 1), 2, (8, 5, 6, 4), 8, ties, BF16)
        yield in_packs(forward, 0, 3)
        yield in_packs(weights, 0, 1)
        yield in_packs(inputs, 0, 2)
    yield in_packs(forward, 3)  # of images as they are
    yield in_packs(weights, 1)
    forward, inputs, weights, *_ = directions((1, 1060, 20, 64), ties, Target(1 << 20, 4, "bf16"))
    yield in_packs(forward, 0, 3)
    yield in_packs(inputs, 0, 2)
    yield in_packs(weights, 0, 1)
    drop = {"key": (1701, 3), "threshold": 1 << 23, "factor": 2.0}
    yield narrow(Case("dropout", (normal(1027), value(3, "int64"), out(1027)), drop), 0, 2)


def in_packs(case: Case, *indices: int) -> Case:
    """The same, of a kernel that takes packs alone, or whose form for single numbers is not to be built too."""
    return replace(narrow(case, *indices), aligned=True)


def narrow(case: Case, *indices: int) -> Case:
    """The case with some arrays of bfloat16."""
    return replace(case, arrays=tuple(half(spec) if i in indices else spec for i, spec in enumerate(case.arrays)))
