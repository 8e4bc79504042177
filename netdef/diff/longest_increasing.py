"""The longest row of pairs that rises on both sides."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

Places = tuple[int, int]


def longest_increasing(pairs: Sequence[Places]) -> list[Places]:
    """Of pairs whose first numbers increase, the longest sequence whose second numbers increase too (patience sorting)."""
    ends: list[int] = []  # the smallest last number of a sequence of each length
    rows: list[int] = []  # which pair that is
    before: list[int] = []  # the pair before each pair in its row
    for number, (_, second) in enumerate(pairs):
        length = bisect_left(ends, second)
        ends[length : length + 1] = [second]
        rows[length : length + 1] = [number]
        before.append(rows[length - 1] if length else -1)
    found: list[Places] = []
    at = rows[-1] if rows else -1
    while at >= 0:
        found.append(pairs[at])
        at = before[at]
    return found[::-1]
