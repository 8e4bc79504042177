"""Results of many iterations."""

from __future__ import annotations

from collections.abc import Iterator

from runtime.ir.runs import ELEMENTS
from tests.runtime.kernels.cuda.cases.case import Case, Spec, normal, value


def remembering_cases() -> Iterator[Case]:
    """Rows in the middle, at the end, and used again; of single numbers, of some, and of sums."""
    for turn in (0, 6, 7, 5_000_000_007):
        for n, columns in ((1, 1), (5, 5), (3, 1), (1023, 1), (2 * ELEMENTS + 5, 1), (1024, 32)):
            ring = Spec((7, columns), normal(7, columns).draw, "float64")
            yield Case("remember", (normal(n), value(turn, "int64"), ring), close=1e-12)
