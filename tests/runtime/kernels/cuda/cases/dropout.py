"""Dropout."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from tests.runtime.kernels.cuda.cases.case import Case, normal, out, value
from tests.runtime.kernels.cuda.cases.shapes import FLAT


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
