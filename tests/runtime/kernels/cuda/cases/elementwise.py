"""Functions of one element, and sums, products and largest values of several arrays."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.runtime.kernels.cuda.cases.case import Case, normal, out, positive, ties, whole
from tests.runtime.kernels.cuda.cases.shapes import FLAT
from tests.runtime.ops.elementwise.formulas import CASES, is_exact, layer_of


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
            yield Case("add_relu", (x, x, y), {"slope": 0.1 if n % 2 else 0.0}, aliases=aliases, close=0)
            yield Case("scaled_add_relu", (x, x, y), {"factor_a": 0.3, "factor_b": -2.0, "slope": 0.1}, aliases=aliases)
        for count in range(3, 9) if n == 1023 else ():
            for aliases in ((), ((count, 1),)):
                yield Case(f"add_{count}", (*[x] * count, y), aliases=aliases, close=1e-6)
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
