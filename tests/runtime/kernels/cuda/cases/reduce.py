"""Sums over columns."""

from __future__ import annotations

from collections.abc import Iterator

from tests.runtime.kernels.cuda.cases.case import Case, normal, out, ties
from tests.runtime.kernels.cuda.cases.shapes import COLUMNS


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
