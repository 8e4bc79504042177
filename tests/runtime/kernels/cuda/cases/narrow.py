"""Blobs of bfloat16: each kernel that has a form for them, and some that mix them with float32."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from runtime.kernels.cuda.options import Target
from runtime.ops.gather.box import box, strides_of
from tests.runtime.kernels.cuda.cases.case import Case, half, normal, out, positive, ties, value, whole
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
    yield from by_channels()
    yield from by_rows()
    yield from put_elsewhere()
    yield from maxima()
    yield from depthwise()


def by_channels() -> Iterator[Case]:
    """Statistics of channels and what is normalised by them: packs, and an odd batch."""
    for R in (36, 7):
        x, y, one, terms = normal(5, R), out(5, R), positive(5), out(5, 1, 2, dtype="float64")
        scales, relu, slope = (one, one, normal(5), normal(5)), {"relu": True, "slope": 0.1}, {"slope": 0.1}
        yield narrow(Case("channel_moments", (x, terms), close=2e-6), 0)
        yield narrow(Case("normalize_channels", (x, one, one, y), aliases=((3, 0),)), 0, 3)
        yield narrow(Case("normalize_channels_backward", (x, x, one, normal(5), normal(5), y)), 0, 1, 5)
        yield narrow(Case("normalize_scale", (x, *scales, y), relu), 0, 5)
        yield narrow(Case("normalize_scale_add", (x, *scales, x, y), relu), 0, 5, 6)
        yield narrow(Case("normalize_scale_terms", (x, x, one, one, terms), close=1e-4), 0, 1)
        yield narrow(Case("normalize_scale_relu_terms", (x, x, x, one, one, y, terms), slope, ((5, 0),), 1e-4), 0, 1, 2, 5)
        made = Case("normalize_scale_add_relu_terms", (x, x, x, x, one, one, y, terms), slope, close=1e-4)
        yield narrow(made, 0, 1, 2, 3, 6)
        if R == 36:
            yield in_packs(made, 2)
        yield narrow(Case("normalize_scale_backward", (x, x, one, *scales[1:], normal(5), y)), 0, 1, 7)


def by_rows() -> Iterator[Case]:
    """Scale, Bias and PReLU."""
    x, y, one, terms = normal(2, 3, 12), out(2, 3, 12), normal(3), out(3, 1, 2, dtype="float64")
    for kernel in ("scale_rows", "add_rows"):
        yield in_packs(Case(kernel, (x, one, y)), 0, 2)
    yield narrow(Case("scale_add_rows", (x, one, one, y), aliases=((3, 0),)), 0, 3)
    yield narrow(Case("product_terms", (x, x, terms), {"negative": False}, close=1e-4), 0, 1)
    yield in_packs(Case("prelu_forward", (ties(3, 12), one, out(3, 12))), 0, 2)
    yield in_packs(Case("prelu_backward", (ties(3, 12), normal(3, 12), one, out(3, 12))), 0, 1, 3)


def put_elsewhere() -> Iterator[Case]:
    """Joined, taken, copied: between types too."""
    for part, columns, offset in ((4, 12, 8), (3, 7, 2)):
        yield narrow(Case("join_columns", (normal(3, part), normal(3, columns)), {"offset": offset}), 0, 1)
        yield narrow(Case("take_columns", (normal(3, columns), out(3, part)), {"offset": offset}), 0, 1)
    yield in_packs(Case("join_columns", (normal(3, 4), normal(3, 12)), {"offset": 8}), 0)
    exchanged = {"box": box((5, 3, 4, 8), (8, 160, 40, 1), strides_of((5, 3, 4, 8)))}
    yield in_packs(Case("copy_box", (normal(480), out(480)), exchanged), 0, 1)
    for halves in ((0, 1), (0,), (1,)):
        yield narrow(Case("copy", (normal(1027), out(1027))), *halves)
    yield narrow(Case("fill", (out(1027),), {"value": 0.1}), 0)


def maxima() -> Iterator[Case]:
    """Eltwise's."""
    x, y, winner = ties(1027), out(1027), whole(3, 1027, dtype="uint8")
    yield narrow(Case("maximum_pair", (x, x, y, out(1027, dtype="uint8"))), 0, 1, 2)
    yield narrow(Case("maximum_next", (x, x, winner, y, out(1027, dtype="uint8")), {"index": 2}), 0, 1, 3)
    yield narrow(Case("maximum_backward", (normal(1027), winner, y), {"index": 2}), 0, 2)


def depthwise() -> Iterator[Case]:
    """In packs, and of one image."""
    window = {"kernel": (3, 3), "stride": (2, 2), "pad": (1, 1), "dilation": (1, 1), "group": 3}
    relu = {"has_bias": True, "relu": True, "slope": 0.1}
    for N in (4, 1):
        x, y, w = (3, 7, 6, N), (6, 4, 3, N), (6, 1, 3, 3)
        yield narrow(Case("conv2d", (normal(*x), normal(*w), normal(6), out(*y)), {**window, **relu}), 0, 3)
        yield narrow(Case("conv2d_weight_gradient", (normal(*x), normal(*y), out(*w)), window, close=1e-4), 0, 1)
        yield narrow(Case("conv2d_input_gradient", (normal(*y), normal(*w), out(*x)), window), 0, 2)


def in_packs(case: Case, *indices: int) -> Case:
    """The same, of a kernel that takes packs alone, or whose form for single numbers is not to be built too."""
    return replace(narrow(case, *indices), aligned=True)


def narrow(case: Case, *indices: int) -> Case:
    """The case with some arrays of bfloat16."""
    return replace(case, arrays=tuple(half(spec) if i in indices else spec for i, spec in enumerate(case.arrays)))
