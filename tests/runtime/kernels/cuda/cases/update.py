"""Updates of weights, and the sums that they clip by."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from runtime.ir.runs import element_runs
from runtime.ops.update.table import ROWS
from tests.runtime.kernels.cuda.cases.case import Case, Spec, normal, out, positive, ties, value
from tests.runtime.kernels.cuda.cases.shapes import FLAT


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
