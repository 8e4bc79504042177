"""Normalisation by the statistics of channels or columns."""

from __future__ import annotations

from collections.abc import Iterator

from runtime.ir.runs import ELEMENTS, row_runs
from tests.runtime.kernels.cuda.cases.case import Case, Spec, normal, out, positive, value
from tests.runtime.kernels.cuda.cases.shapes import COLUMNS


def normalizing_cases() -> Iterator[Case]:
    """Channels of one number, of a few, and of several runs; with a mean that is a thousand times the deviation from it."""
    for C, R in ((1, 1), (5, 7), (48, 128), (3, 98), (2, ELEMENTS + 4), (1, 2 * ELEMENTS + 3), (2, 3 * ELEMENTS)):
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
            yield Case("normalize_scale_add", (normal(C, R), *scales, normal(C, R), out(C, R)), constants, close=2e-6)
        terms = out(C, row_runs(1, R), 2, dtype="float64")
        yield Case("normalize_scale_terms", (normal(C, R), normal(C, R), channel, channel, terms), close=1e-4)
        made, slope = (normal(C, R), channel, channel, out(C, R), terms), {"slope": 0.1 if C % 2 else 0.0}
        for aliases in ((), ((5, 0),)):
            yield Case("normalize_scale_relu_terms", (normal(C, R), normal(C, R), *made), slope, aliases=aliases, close=1e-4)
        arrays = *(normal(C, R) for _ in range(3)), *made
        for aliases in ((), ((6, 0),)):
            yield Case("normalize_scale_add_relu_terms", arrays, slope, aliases=aliases, close=1e-4)
        arrays = normal(C, R), normal(C, R), channel, *scales[1:], normal(C), out(C, R)
        for aliases in ((), ((7, 0),)):
            yield Case("normalize_scale_backward", arrays, aliases=aliases, close=2e-6)
    for C in (1, 3, 48, 1024):
        sums, one = positive(C), positive(1)
        for divisor in (value(0), one):
            yield Case("global_statistics", (sums, sums, divisor, out(C), out(C)), {"eps": 1e-5, "unset": 1.0}, close=2e-6)
        for added, divisor in ((value(0), one), (value(2), one), (value(0), value(0))):
            arrays = (normal(C), sums, added, normal(C), sums, divisor, normal(C), sums, divisor)
            for aliases in ((), ((6, 3), (7, 4), (8, 5))):
                constants = {"fraction": 0.9, "weight": 0.1, "correction": 0.125}
                yield Case("running_statistics", arrays, constants, aliases=aliases, close=1e-6)
    for outer, K, inner in COLUMNS:
        x, y, one = normal(outer, K, inner), out(outer, K, inner), positive(outer, inner)
        for aliases in ((), ((1, 0),)):
            yield Case("centre_columns", (x, y), aliases=aliases, close=1e-6)
            yield Case("standardize_columns", (x, y, out(outer, inner)), {"eps": 0.1}, aliases=aliases, close=2e-6)
        for aliases in ((), ((3, 0),)):
            yield Case("standardize_columns_backward", (x, normal(outer, K, inner), one, y), aliases=aliases, close=1e-5)
        yield Case("unit_columns", (x, y, out(outer, inner)), {"eps": 0.1}, close=2e-6)
        for aliases in ((), ((3, 0),)):
            yield Case("unit_columns_backward", (x, normal(outer, K, inner), one, y), aliases=aliases, close=1e-5)
