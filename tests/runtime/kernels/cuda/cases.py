"""Every instruction on arrays of many shapes: what its CUDA kernels and its CPU kernel are both run on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import ceil, prod
from typing import Any

import numpy as np

from runtime.ir.runs import ELEMENTS, LABELS, element_runs, label_runs, row_runs
from runtime.kernels.cuda.registry import DEFAULT_WORKSPACE
from runtime.ops.gather.box import box, strides_of
from runtime.ops.loss.normalization import NO_LABEL
from runtime.ops.update.table import ROWS
from tests.runtime.ops.elementwise.formulas import CASES, is_exact, layer_of

Shape = tuple[int, ...]
Pair = tuple[int, int]
BATCHES, CHANNELS = (1, 3, 32, 128), (1, 3, 48, 96)
FLAT = (1, 3, 4, 1023, 4096, 2 * ELEMENTS + 5)
ALEXNET_WINDOWS = (((11, 11), (4, 4), (0, 0), 1), ((5, 5), (1, 1), (2, 2), 2), ((3, 3), (1, 1), (1, 1), 2))


@dataclass(frozen=True)
class Spec:
    """An array: its shape, and the values it is filled with by `draw(random, shape)`; NaN (99 for integers) where there is none."""

    shape: Shape
    draw: Callable[[np.random.Generator, Shape], np.ndarray] | None = None
    dtype: str = "float32"


@dataclass(frozen=True)
class Case:
    """An instruction with its arrays and constants.

    Parameters
    ----------
    arrays: inputs, then outputs.
    aliases: (i, j): array i is array j itself.
    close: how far the two may be apart, relative to the larger of 1 and the value; 0: not at all.
    """

    kernel: str
    arrays: tuple[Spec, ...]
    constants: dict[str, Any] = field(default_factory=dict)
    aliases: tuple[Pair, ...] = ()
    close: float = 1e-5
    workspace: int = DEFAULT_WORKSPACE

    def __str__(self) -> str:
        shapes = " ".join("x".join(map(str, spec.shape)) for spec in self.arrays[:3])
        numbers = [f"{k}{v}" for k, v in self.constants.items() if isinstance(v, bool | int | float | tuple)]
        return f"{self.kernel} {shapes} {' '.join(numbers)}{' in place' if self.aliases else ''}"

    def values(self, seed: int = 0) -> list[np.ndarray]:
        """Each array's contents before the instruction; the same object where arrays are aliases."""
        random = np.random.default_rng([seed, *self.kernel.encode()])
        made = []
        for spec in self.arrays:
            if spec.draw:
                made.append(np.ascontiguousarray(spec.draw(random, spec.shape), spec.dtype))
            else:
                made.append(np.full(spec.shape, np.nan if spec.dtype.startswith("float") else 99, spec.dtype))
        for i, j in self.aliases:
            made[i] = made[j]
        return made


def normal(*shape: int) -> Spec:
    return Spec(shape, lambda random, shape: random.standard_normal(shape))


def ties(*shape: int) -> Spec:
    """Few different values."""
    return Spec(shape, lambda random, shape: np.round(2 * random.standard_normal(shape)) / 2)


def positive(*shape: int) -> Spec:
    return Spec(shape, lambda random, shape: 0.5 + random.random(shape))


def whole(below: int, *shape: int, dtype: str = "float32") -> Spec:
    """Integers in [0, below)."""
    return Spec(shape, lambda random, shape: random.integers(0, below, shape), dtype)


def value(number: float, dtype: str = "float32") -> Spec:
    return Spec((1,), lambda random, shape: np.full(shape, number), dtype)


def out(*shape: int, dtype: str = "float32") -> Spec:
    return Spec(shape, None, dtype)


def some_shapes(seed: int, count: int, least: Pair = (1, 1)) -> Iterator[Shape]:
    """`count` shapes (C, H, W, N): every batch in turn, sizes at random but at least `least`; 40000 numbers at most."""
    random = np.random.default_rng(seed)
    while count:
        N, C = BATCHES[count % 4], int(random.choice(CHANNELS))
        H, W = (size + int(random.integers(0, 5)) * 2 for size in least)
        if C * H * W * N <= 40000:
            count -= 1
            yield C, H, W, N


def elementwise_cases() -> Iterator[Case]:
    for n in FLAT:
        x, y = normal(n), out(n)
        yield Case("fill", (y,), {"value": 0.3}, close=0)
        yield Case("copy", (x, y), close=0)
        yield Case("constant", (y,), {"values": np.random.default_rng(n).random(n, np.float32)}, close=0)
        yield Case("scale", (x, y), {"factor": -1.7}, close=0)
        for aliases in ((), ((2, 0),)):
            yield Case("add", (x, x, y), aliases=aliases, close=0)
            yield Case("multiply", (x, x, y), aliases=aliases, close=0)
            yield Case("scaled_add", (x, x, y), {"factor_a": 0.3, "factor_b": -2.0}, aliases=aliases)
        yield Case("maximum_pair", (ties(n), ties(n), y, out(n, dtype="uint8")), close=0)
        for aliases in ((), ((3, 0), (4, 2))):
            arrays = (ties(n), ties(n), whole(2, n, dtype="uint8"), y, out(n, dtype="uint8"))
            yield Case("maximum_next", arrays, {"index": 2}, aliases=aliases, close=0)
        yield Case("maximum_backward", (x, whole(3, n, dtype="uint8"), y), {"index": 2}, close=0)
        yield Case("quotient_backward", (x, x, positive(n), y))


def function_cases() -> Iterator[Case]:
    """The rows of the table of functions: each of their cases, the first one in all sizes; in place too."""
    for name, settings in CASES:
        layer = layer_of(name, settings)
        for formula in filter(None, (layer.function.value, layer.gradient)):
            close = 0 if is_exact(formula) else 2e-6
            for n in FLAT if settings == layer.function.cases[0] else FLAT[3:4]:
                arrays = (*(normal(n) if array in ("x", "dy") else ties(n) for array in formula.arrays), out(n))
                for aliases in ((), ((len(arrays) - 1, 0),)) if n == FLAT[3] else ((),):
                    yield Case(formula.name, arrays, layer.constants_of(formula), aliases=aliases, close=close)


def dropout_cases() -> Iterator[Case]:
    """Whole blobs, and parts of them: channels without gaps, and some of the images."""
    constants = {"key": (1701, 0xDEADBEEF), "threshold": ceil(0.5 * 2**24), "factor": 2.0}
    turn = value(5_000_000_007, "int64")
    for n in FLAT:
        for aliases in ((), ((2, 0),)):
            rarely = {**constants, "threshold": ceil(0.1 * 2**24)}
            yield Case("dropout", (normal(n), turn, out(n)), rarely, aliases=aliases, close=0)
            for first in (0, 8, 4 * 10**10 + 3):
                place = {"first": first, "width": n, "pitch": 7}
                yield Case("dropout_region", (normal(n), turn, out(n)), {**constants, **place}, aliases=aliases, close=0)
    for width, pitch in ((4, 12), (3, 8), (64, 128)):
        place = {"first": 16, "width": width, "pitch": pitch}
        yield Case("dropout_region", (normal(96 * width), turn, out(96 * width)), {**constants, **place}, close=0)


def solver_cases() -> Iterator[Case]:
    for n in FLAT:
        x = normal(n)
        for row, l1 in product(ROWS.values(), (False, True)):
            histories = x if row.type in ("SGD", "Nesterov") else positive(n)
            numbers = {"rate": 0.1, "scale": 0.5, "correction": 0.7}
            arrays = (ties(n), x, *(histories for _ in row.states), *(value(numbers[name]) for name in row.numbers))
            fields = {"momentum": 0.9, "momentum2": 0.99, "rms_decay": 0.95, "delta": 1e-3}
            constants = {"lr_mult": 2.0, "decay": 0.05, "l1": l1, **{name: fields[name] for name in row.constants}}
            yield Case(row.kernel, arrays, constants, close=2e-6)
        yield Case("accumulate", (x, value(0), out(n)), close=0)
        yield Case("accumulate", (x, value(3), x), close=0)
        yield Case("sum_of_squares", (x, out(element_runs(n), dtype="float64")), close=1e-12)
        for clip in (0.5, 1e9):
            yield Case("clip_scale", (Spec((n,), positive(n).draw, "float64"), out(1)), {"clip": clip, "scale": 0.25}, close=1e-6)
        sums = Spec((n,), positive(n).draw, "float64")
        for clip, rate in product((False, True), (1e-6, 0.5)):
            constants = {"eta": 0.01, "decay": 0.05, "clip": clip}
            yield Case("larc_rate", (sums, sums, value(rate), value(0.5), out(1)), constants, close=1e-6)
    nothing, something = (Spec((5,), lambda random, shape, number=number: np.full(shape, number), "float64") for number in (0, 1))
    for sums in ((nothing, something), (something, nothing)):
        constants = {"eta": 0.01, "decay": 0.05, "clip": False}
        yield Case("larc_rate", (*sums, value(0.5), value(0.5), out(1)), constants, close=0)


def remembering_cases() -> Iterator[Case]:
    """Rows in the middle, at the end, and used again; of single numbers, of some, and of sums."""
    for turn in (0, 6, 7, 5_000_000_007):
        for n, columns in ((1, 1), (5, 5), (3, 1), (1023, 1), (2 * ELEMENTS + 5, 1), (1024, 32)):
            ring = Spec((7, columns), normal(7, columns).draw, "float64")
            yield Case("remember", (normal(n), value(turn, "int64"), ring), close=1e-12)


def class_cases() -> Iterator[Case]:
    """(outer, C, inner)."""
    short = (1, 5, 1), (1, 10, 128), (4, 3, 2), (2, 21, 130), (3, 1, 5), (1, 96, 32), (1, 7, 3)
    for shape in (*short, (1, 300, 4), (1, 600, 20), (2, 520, 9)):
        outer, C, inner = shape
        count = outer * inner
        label, scores, chances = whole(C, count), ties(*shape), positive(*shape)
        yield Case("softmax_forward", (normal(*shape), out(*shape)), close=1e-6)
        yield Case("softmax_backward", (normal(*shape), chances, out(*shape)), close=1e-5 * C)
        for ignore in (NO_LABEL, 0):
            for divisor in (0.0, 7.0):
                constants = {"divisor": divisor, "ignore": ignore}
                yield Case("softmax_loss", (chances, label, out(1), out(1)), constants)
            for aliases in ((), ((4, 0),)):
                arrays = (chances, label, value(3), value(0.7), out(*shape))
                yield Case("softmax_loss_backward", arrays, {"ignore": ignore}, aliases=aliases, close=1e-6)
            for top_k in (1, 5):
                constants = {"top_k": top_k, "ignore": ignore}
                yield Case("accuracy_hits", (scores, label, out(count)), constants, close=0)
        hits = Spec((count,), lambda random, shape: random.integers(-1, 2, shape))
        yield Case("accuracy_mean", (hits, out(1)), close=1e-6)
        yield Case("accuracy_per_class", (hits, label, out(min(C, 96))), close=1e-6)


def largest_cases() -> Iterator[Case]:
    """(outer, C, inner), as many as there are, ties and NaN among them."""
    for shape, k in (((1, 5, 1), 1), ((1, 10, 128), 5), ((4, 3, 2), 3), ((2, 21, 130), 2), ((1, 600, 20), 7), ((3, 1, 8), 1)):
        some = Spec(shape, lambda random, shape: np.where(random.random(shape) < 0.01, np.nan, ties(*shape).draw(random, shape)))
        for values, draw in product((False, True), (normal(*shape), some)):
            yield Case("largest", (draw, out(shape[0], k, shape[2])), {"values": values}, close=0)


def embed_cases() -> Iterator[Case]:
    """A numbers of each of N images, a table of K rows of D numbers."""
    for A, D, N, K in ((1, 5, 7, 3), (3, 8, 4, 11), (1, 1, 1, 1), (1, 8, 4, 1), (2, 40, 32, 200), (5, 33, 3, 65)):
        x, w = whole(K, A, N), normal(K, D)
        yield Case("embed", (x, w, normal(D), out(A, D, N)), {"has_bias": True}, close=1e-6)
        yield Case("embed", (x, w, w, out(A, D, N)), {"has_bias": False}, close=0)
        yield Case("embed_gradient", (x, normal(A, D, N), out(K, D)), close=1e-6)


def recurrent_cases() -> Iterator[Case]:
    """D states of N streams."""
    for D, N in ((1, 1), (5, 3), (7, 32), (96, 4), (3, 1028)):
        x, cont, gates = normal(D, N), whole(2, N), Spec((4 * D, N), lambda random, shape: 3 * random.standard_normal(shape))
        yield Case("lstm_unit", (x, gates, cont, out(D, N), out(D, N)), close=2e-6)
        for aliases in ((), ((6, 4),)):
            arrays = (x, gates, cont, x, x, x, out(D, N), out(4 * D, N))
            yield Case("lstm_unit_backward", arrays, aliases=aliases, close=2e-6)


def loss_cases() -> Iterator[Case]:
    """Sums of terms and their gradients; more than one run of elements, and of labels."""
    outs, scale = {"close": 1e-5}, (value(0.7), value(3))
    for n in FLAT:
        a, b = normal(n), normal(n)
        sums = out(element_runs(n), 2, dtype="float64")
        yield Case("euclidean_terms", (a, b, sums), close=1e-6)
        targets = whole(3, n)
        yield Case("euclidean_backward", (a, b, *scale, out(n)), {"sign": -1.0}, close=1e-6)
        for ignore in (NO_LABEL, 2):
            yield Case("sigmoid_cross_entropy_terms", (a, targets, sums), {"ignore": ignore}, **outs)
            yield Case("sigmoid_cross_entropy_backward", (a, targets, *scale, out(n)), {"ignore": ignore}, close=1e-6)
    for runs in (1, 2, 700):
        partials = Spec((runs, 2), positive(runs, 2).draw, "float64")
        for divisor in (0.0, 7.0):
            yield Case("loss_of_terms", (partials, out(1), out(1)), {"divisor": divisor, "factor": 0.5}, close=1e-6)
    for C, N in ((5, 7), (1, 1), (10, 128), (3, 2 * LABELS + 4), (4, LABELS + 1)):
        labels, scores, chances, runs = whole(C, N), normal(C, N), positive(C, N), out(label_runs(N), 2, dtype="float64")
        for square in (False, True):
            sums = out(element_runs(C * N), 2, dtype="float64")
            yield Case("hinge_terms", (scores, labels, sums), {"square": square}, **outs)
            yield Case("hinge_backward", (scores, labels, *scale, out(C, N)), {"square": square}, close=1e-6)
        yield Case("likelihood_terms", (chances, labels, runs), **outs)
        yield Case("likelihood_backward", (chances, labels, *scale, out(C, N)), close=1e-5)
        for legacy in (False, True):
            form, alike = {"margin": 3.0, "legacy": legacy}, whole(2, N)
            yield Case("contrastive_terms", (scores, normal(C, N), alike, runs, out(N)), form, **outs)
            arrays = (scores, normal(C, N), alike, Spec((N,), lambda r, s: 9 * r.random(s)), *scale, out(C, N))
            yield Case("contrastive_backward", arrays, {**form, "sign": -1.0}, close=1e-5)
    for outer, C, inner in ((1, 5, 7), (2, 4, 128), (3, 3, 1)):
        arrays = positive(outer, C, inner), whole(C, outer * inner), normal(C, C)
        for ignore in (NO_LABEL, 1):
            sums = out(label_runs(outer * inner), 2, dtype="float64")
            yield Case("infogain_terms", (*arrays, sums), {"ignore": ignore}, close=1e-4)
            yield Case("infogain_backward", (*arrays, *scale, out(outer, C, inner)), {"ignore": ignore}, close=1e-5)


def windows_along(size: int, kernel: int, stride: int, pad: int) -> int:
    """Caffe's rule: rounded up; with padding no window starts beyond the image."""
    count = -(-(size + 2 * pad - kernel) // stride) + 1
    return count - 1 if pad and (count - 1) * stride >= size + pad else count


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
            yield Case("pool_positions", (place, out(*y)), {**geometry, "size": (H, W)}, close=0)
            yield Case("pool_ave_forward", (normal(*x), out(*y)), geometry)
            yield Case("pool_ave_backward", (normal(*y), out(*x)), geometry)
            some = Spec(x, lambda random, shape: np.maximum(0, random.standard_normal(shape)))
            turn, key = value(5_000_000_007, "int64"), {"key": (1701, 0xDEADBEEF)}
            for values in (some, ties(*x)):
                arrays = (values, turn, out(*y), out(*y, dtype=kind))
                yield Case("pool_stochastic_forward", arrays, {**key, **geometry}, close=0)
            yield Case("pool_weighted_forward", (some, out(*y)), geometry)


def lrn_cases() -> Iterator[Case]:
    settings = (
        (5, 5e-4, 0.75, 2.0),
        (3, 0.9, 0.5, 1.0),
        (5, 1.5, 0.75, 1.0),
        (1, 1.0, 0.75, 1.0),
        (9, 1.0, 0.6, 2.0),
        (9, 2.0, 0.75, 1.0),
        (7, 2.0, 0.75, 1.0),
        (7, 1.0, 0.6, 2.0),
        (13, 2.0, 0.75, 1.0),
    )
    for seed, (size, alpha, beta, k) in enumerate(settings):
        for C, H, W, N in some_shapes(seed, 4):
            for group in (1, 3) if C % 3 == 0 else (1,):
                constants = {"size": size, "alpha": alpha, "beta": beta, "k": k, "group": group}
                rows = (C, H * W * N)
                yield Case("lrn_forward", (normal(*rows), out(*rows)), constants)
                yield Case("lrn_backward", (normal(*rows), normal(*rows), out(*rows)), constants)
    for size, shape in ((3, (3, 7, 5, 32)), (5, (48, 5, 3, 3)), (7, (1, 2, 9, 1)), (1, (3, 3, 3, 128))):
        constants, x = {"size": size, "alpha": 0.9, "beta": 0.75}, normal(*shape)
        yield Case("lrn_within_forward", (x, out(*shape), out(*shape)), constants)
        yield Case("lrn_within_backward", (x, x, positive(*shape), x, out(*shape)), constants)


def convolution_cases() -> Iterator[Case]:
    """AlexNet's windows, and others; matrices of one output row at a time, of all, and in between."""
    one = (1, 1)
    geometries: Sequence[tuple[Pair, Pair, Pair, Pair, int, Shape, int]] = (  # kernel, stride, pad, dilation, group, x, O
        *((k, s, p, one, g, (3 * g, 23, 23, N), 2 * g) for k, s, p, g in ALEXNET_WINDOWS for N in (1, 4)),
        ((3, 3), one, (1, 1), one, 2, (96, 5, 3, 32), 48),
        ((3, 3), one, (1, 1), one, 1, (64, 4, 3, 16), 8),  # all three directions by tiles on the CPU
        (one, one, (0, 0), one, 2, (8, 5, 7, 3), 6),
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
            yield Case("conv2d", arrays, {**geometry, **extra}, close=1e-4, workspace=limit)
            arrays = (normal(*x), normal(*y), out(*w))
            yield Case("conv2d_weight_gradient", arrays, geometry, close=1e-3, workspace=limit)
            arrays = (normal(*y), normal(*w), out(*x))
            yield Case("conv2d_input_gradient", arrays, geometry, close=1e-4, workspace=limit)
        yield Case("bias_gradient", (normal(1, *y[:2], OW * N), out(O)), close=1e-4)
        for aliases in ((), ((2, 0),)):
            yield Case("add_bias", (normal(O, OH * OW * N), normal(O), out(O, OH * OW * N)), aliases=aliases, close=0)
        window = {name: value for name, value in geometry.items() if name != "group"}
        if (kernel, stride) != (one, one):
            columns = (C * prod(kernel), OH, OW, N)
            yield Case("im2col", (normal(*x), out(*columns)), window, close=0)
            yield Case("col2im", (normal(*columns), out(*x)), window, close=1e-5)


def inner_product_cases() -> Iterator[Case]:
    for A, K, O, N in ((1, 27, 10, 1), (1, 96, 48, 128), (3, 5, 7, 3), (2, 9, 4, 32)):
        for transpose in (False, True):
            w = (K, O) if transpose else (O, K)
            for has_bias, relu in ((False, False), (True, True), (True, False)):
                constants = {"transpose": transpose, "has_bias": has_bias, "relu": relu, "slope": 0.0}
                b = normal(O) if has_bias else normal(*w)
                yield Case("inner_product", (normal(A, K, N), normal(*w), b, out(A, O, N)), constants)
            parts = (normal(A, K, N), normal(A, O, N), out(*w))
            yield Case("inner_product_weight_gradient", parts, {"transpose": transpose}, close=1e-4)
            parts = (normal(A, O, N), normal(*w), out(A, K, N))
            yield Case("inner_product_input_gradient", parts, {"transpose": transpose})
        yield Case("bias_gradient", (normal(A, O, 1, N), out(O)))


def copying_cases() -> Iterator[Case]:
    for rows, part, columns, offset in ((1, 5, 9, 2), (3, 4, 12, 8), (48, 32, 96, 32), (7, 128, 131, 3), (70000, 1, 2, 1)):
        joined = Case("join_columns", (normal(rows, part), normal(rows, columns)), {"offset": offset}, close=0)
        yield joined
        yield Case("take_columns", (normal(rows, columns), out(rows, part)), {"offset": offset}, close=0)
    cuts = ((6, 4), (3, 8)), ((3, 8), (6, 4)), ((1, 12), (12, 1)), ((96, 3), (32, 9)), ((5, 128), (20, 32)), ((160, 4), (5, 128))
    for old, new in cuts:
        yield Case("rebatch", (normal(*old), out(*new)), close=0)


def box_cases() -> Iterator[Case]:
    """Crops, tiles and exchanged axes, in packs and between them; images picked twice and not at all."""
    cuts = ((3, 7, 5, 32), (2, 4, 3, 32), 164), ((2, 5, 6, 3), (2, 2, 3, 3), 22), ((4, 9), (3, 4), 10), ((8,), (8,), 0)
    for shape, cut, first in cuts:
        some = box(cut, strides_of(shape), strides_of(cut), first)
        yield Case("copy_box", (normal(prod(shape)), out(prod(cut))), {"box": some}, close=0)
        yield Case("copy_box", (normal(prod(cut)), normal(prod(shape))), {"box": some.reversed}, close=0)
    a, b, c, n = 3, 4, 5, 8
    exchanged = box((c, a, b, n), (n, b * c * n, c * n, 1), strides_of((c, a, b, n)))
    yield Case("copy_box", (normal(a * b * c * n), out(a * b * c * n)), {"box": exchanged}, close=0)
    for rows, tiles, columns in ((3, 4, 8), (1, 2, 7), (48, 3, 32), (5, 1, 3)):
        spread = box((rows, tiles, columns), (columns, 0, 1), strides_of((rows, tiles, columns)))
        yield Case("copy_box", (normal(rows * columns), out(rows * tiles * columns)), {"box": spread}, close=0)
        yield Case("sum_tiles", (normal(rows, tiles, columns), out(rows, columns)), close=1e-6)
    for rows, images, count in ((7, 5, 8), (96, 32, 3), (1, 4, 128), (3, 1, 1)):
        order = whole(images, count)
        yield Case("take_images", (normal(rows, images), order, out(rows, count)), close=0)
        yield Case("add_images", (normal(rows, count), order, out(rows, images)), close=1e-5)


def image_cases() -> Iterator[Case]:
    tops = ((3, 13, 13, 32), (16, 17)), ((1, 7, 5, 3), (9, 5)), ((3, 5, 67, 1), (6, 70)), ((3, 3, 33, 128), (5, 36))
    for (C, H, W, N), (h, w) in tops:
        mean = np.random.default_rng(N).random((C, h, w), np.float32) * 100
        crops = Spec((N, 2), lambda random, shape, room=(h - H + 1, w - W + 1): random.integers(0, room, shape), "int32")
        data = (whole(256, N, h, w, C, dtype="uint8"), crops, whole(2, N, dtype="uint8"))
        top, constants = out(C, H, W, N), {"mean": mean, "scale": np.float32(0.0078125)}
        yield Case("image_transform", (*data, top), constants, close=0)
        shifts = Spec((N, C), lambda random, shape: 5 * random.standard_normal(shape))
        yield Case("image_transform_shifted", (*data, shifts, top), constants, close=1e-6)


def broadcast_cases() -> Iterator[Case]:
    """Rows: short and long ones, in segments of which several make a run, or which take several runs.  Columns."""
    rows = (1, 1, 1), (1, 5, 7), (1, 48, 128), (3, 4, 36), (5, 3, 2), (700, 4, 32), (1, 2, ELEMENTS + 4), (2, 1, 2 * ELEMENTS + 3)
    for A, D, R in rows:
        x, y, one = normal(A, D, R), out(A, D, R), normal(D)
        for aliases in ((), ((2, 0),)):
            yield Case("scale_rows", (x, one, y), aliases=aliases, close=0)
            yield Case("add_rows", (x, one, y), aliases=aliases, close=0)
        for aliases in ((), ((3, 0),)):
            yield Case("scale_add_rows", (x, one, one, y), aliases=aliases, close=2e-6)
        terms = out(D, row_runs(A, R), 2, dtype="float64")
        for negative in (False, True):
            yield Case("product_terms", (x, normal(A, D, R), terms), {"negative": negative}, close=1e-4)
        yield Case("prelu_forward", (ties(D, R), one, out(D, R)), aliases=((2, 0),), close=0)
        yield Case("prelu_backward", (ties(D, R), normal(D, R), one, out(D, R)), close=0)
    for D, runs in ((1, 1), (5, 3), (48, 8), (3, 700)):
        terms = Spec((D, runs, 2), normal(D, runs, 2).draw, "float64")
        yield Case("sums_of_terms", (terms, out(D), out(D)), close=1e-6)
    for D, R, N in ((1, 1, 1), (5, 7, 3), (6, 49, 32), (1, 300, 8), (40, 1, 128)):
        for aliases in ((), ((2, 0),)):
            yield Case("scale_columns", (normal(D, R, N), normal(D, N), out(D, R, N)), aliases=aliases, close=0)
            yield Case("add_columns", (normal(D, R, N), normal(D, N), out(D, R, N)), aliases=aliases, close=0)


COLUMNS = (1, 1, 1), (1, 27, 1), (5, 7, 3), (3, 49, 32), (1, 600, 8), (40, 2, 128), (2, 131, 36)  # (outer, K, inner)


def reducing_cases() -> Iterator[Case]:
    for outer, K, inner in COLUMNS:
        x, whole, y = normal(outer, K, inner), out(outer, K, inner), out(outer, inner)
        for operation in range(3):
            yield Case("reduce_columns", (x, y), {"operation": operation, "factor": -1.5}, close=1e-5)
        yield Case("product_columns", (x, normal(outer, K, inner), y), close=1e-5)
        yield Case("spread_columns", (normal(outer, inner), whole), {"factor": 0.3}, close=0)
        for sign in (False, True):
            arrays = (ties(outer, K, inner), normal(outer, inner), whole)
            yield Case("spread_columns_by", arrays, {"factor": 0.3, "sign": sign}, close=1e-6)


def normalizing_cases() -> Iterator[Case]:
    """Channels of one number, of a few, and of several runs; with a mean that is a thousand times the deviation from it."""
    for C, R in ((1, 1), (5, 7), (48, 128), (3, 98), (2, ELEMENTS + 4), (1, 2 * ELEMENTS + 3), (4, 3 * ELEMENTS)):
        far = Spec((C, R), lambda random, shape: 1000 + random.standard_normal(shape))
        terms = Spec((C, row_runs(1, R), 2), positive(C, row_runs(1, R), 2).draw, "float64")
        for x in (normal(C, R), far):
            yield Case("channel_moments", (x, out(*terms.shape, dtype="float64")), close=2e-6)
        yield Case("batch_statistics", (terms, out(C), out(C), out(C)), {"count": R, "eps": 1e-5}, close=2e-6)
        channel = positive(C)
        for aliases in ((), ((3, 0),)):
            yield Case("normalize_channels", (far, channel, channel, out(C, R)), aliases=aliases, close=1e-6)
        arrays = (normal(C, R), normal(C, R), channel, normal(C), normal(C), out(C, R))
        for aliases in ((), ((5, 0),)):
            yield Case("normalize_channels_backward", arrays, aliases=aliases, close=1e-6)
        scales = channel, channel, normal(C), normal(C)
        for relu in (False, True):
            constants = {"relu": relu, "slope": 0.1 if C % 2 else 0.0}
            yield Case("normalize_scale", (normal(C, R), *scales, out(C, R)), constants, close=2e-6)
        terms = out(C, row_runs(1, R), 2, dtype="float64")
        yield Case("normalize_scale_terms", (normal(C, R), normal(C, R), channel, channel, terms), close=1e-4)
        arrays = normal(C, R), normal(C, R), channel, *scales[1:], normal(C), out(C, R)
        for aliases in ((), ((7, 0),)):
            yield Case("normalize_scale_backward", arrays, aliases=aliases, close=2e-6)
    for C in (1, 3, 48, 1024):
        sums, one = positive(C), positive(1)
        for divisor in (value(0), one):
            yield Case("global_statistics", (sums, sums, divisor, out(C), out(C)), {"eps": 1e-5}, close=2e-6)
        for added in (value(0), value(2)):
            arrays = (normal(C), sums, added, normal(C), sums, one, normal(C), sums, one)
            for aliases in ((), ((6, 3), (7, 4), (8, 5))):
                constants = {"fraction": 0.9, "correction": 1.25}
                yield Case("running_statistics", arrays, constants, aliases=aliases, close=1e-6)
    for outer, K, inner in COLUMNS:
        x, y, one = normal(outer, K, inner), out(outer, K, inner), positive(outer, inner)
        for aliases in ((), ((1, 0),)):
            yield Case("centre_columns", (x, y), aliases=aliases, close=1e-6)
            yield Case("standardize_columns", (x, y, out(outer, inner)), {"eps": 0.1}, aliases=aliases, close=2e-6)
        for aliases in ((), ((3, 0),)):
            yield Case("standardize_columns_backward", (x, normal(outer, K, inner), one, y), aliases=aliases, close=1e-5)


def all_cases() -> list[Case]:
    families = (
        elementwise_cases, function_cases, dropout_cases, solver_cases, remembering_cases, class_cases, loss_cases, pooling_cases,
        lrn_cases, convolution_cases, inner_product_cases, copying_cases, box_cases, image_cases, broadcast_cases, reducing_cases,
        normalizing_cases, largest_cases, embed_cases, recurrent_cases,
    )  # fmt: skip
    return [case for family in families for case in family()]
