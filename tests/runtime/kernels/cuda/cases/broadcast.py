"""Scales and sums of rows and columns."""

from __future__ import annotations

from collections.abc import Iterator

from runtime.ir.runs import ELEMENTS, row_runs
from tests.runtime.kernels.cuda.cases.case import Case, Spec, normal, out, ties


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
