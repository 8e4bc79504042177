"""Numbers in 16 bits: those of all sizes, halfway between two halves, infinite and NaN."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from runtime.ir.runs import element_runs
from tests.runtime.kernels.cuda.cases.case import Case, Shape, Spec, normal, out, whole
from tests.runtime.kernels.cuda.cases.shapes import FLAT

EDGES = [np.nan, np.inf, -np.inf, 0.0, -0.0, 65504, 65519, 65520, -65536, 2**-14, 2**-24, 2**-25, -(2**-25) * 1.5, 3e38, 1e-40]


def of_all_sizes(random: np.random.Generator, shape: Shape) -> np.ndarray:
    """From below the smallest half to beyond the largest, a third of them halfway between two halves of either form."""
    values = (random.standard_normal(shape) * 2.0 ** random.integers(-30, 18, shape)).astype(np.float32)
    bits = values.view(np.uint32)
    bits[::3] = bits[::3] & 0xFFFF0000 | 0x8000
    bits[1::3] = bits[1::3] & 0xFFFFE000 | 0x1000
    values[-len(EDGES) :] = EDGES[: values.size]
    return values


def sums_before(random: np.random.Generator, shape: Shape) -> np.ndarray:
    """What partials hold before the errors of another pass are added."""
    return random.random(shape)


def halves_cases() -> Iterator[Case]:
    for n in FLAT:
        x = Spec((n,), of_all_sizes)
        for form in ("bf16", "fp16"):
            yield Case(f"round_{form}", (x, out(n, dtype="uint16")), close=0)
            yield Case(f"widen_from_{form}", (whole(0x10000, n, dtype="uint16"), out(n)), close=0)
        for fp16 in (False, True):
            arrays = normal(n), whole(0x4000, n, dtype="uint16"), Spec((element_runs(n), 2), sums_before, "float64")
            yield Case("rounding_error", arrays, {"fp16": fp16}, close=1e-9)
