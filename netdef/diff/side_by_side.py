"""Two nets side by side, row by row: layers that are one another's counterparts level where order allows it."""

from __future__ import annotations

from dataclasses import dataclass

from netdef.diff.align import Match
from netdef.diff.compare import Compared
from netdef.diff.longest_increasing import longest_increasing
from netdef.graph.layer import Layer

CONTEXT = 1  # unchanged layers shown beside changed ones
SHORTEST = 3  # unchanged layers that are worth folding


@dataclass
class Row:
    """One row: a layer of either net, or `folded` layers that are the same in both."""

    left: Layer | None = None
    right: Layer | None = None
    folded: int = 0


def rows(compared: Compared) -> list[Row]:
    """All layers of both nets in order; runs of unchanged ones folded."""
    matches = {layer: match for match in compared.matches for layer in (*match.before, *match.after)}
    spine = _spine(compared, matches)
    result: list[Row] = []
    i = j = 0
    before, after = compared.before.layers, compared.after.layers
    for a, b in [*spine, (len(before), len(after))]:
        left, right = before[i:a], after[j:b]
        for index in range(max(len(left), len(right))):
            result.append(Row(left[index] if index < len(left) else None, right[index] if index < len(right) else None))
        if a < len(before):
            result.append(Row(before[a], after[b]))
        i, j = a + 1, b + 1
    return _folded(result, compared, matches)


def _spine(compared: Compared, matches: dict[Layer, Match]) -> list[tuple[int, int]]:
    """The longest run of counterparts in the order of both nets, as pairs of indices."""
    index_of = {layer: index for index, layer in enumerate(compared.after.layers)}
    pairs = []
    for index, layer in enumerate(compared.before.layers):
        match = matches[layer]
        if match.after and layer is match.before[0]:
            pairs.append((index, index_of[match.after[0]]))
    return longest_increasing(pairs)


def _folded(rows: list[Row], compared: Compared, matches: dict[Layer, Match]) -> list[Row]:
    """Without the middle of long runs in which nothing changed."""

    def same(row: Row) -> bool:
        if row.left is None or row.right is None or matches[row.left] is not matches[row.right]:
            return False
        return not compared.changes.get(matches[row.left])

    quiet = [same(row) for row in rows]
    hidden = [all(quiet[max(0, i - CONTEXT) : i + CONTEXT + 1]) for i in range(len(rows))]
    result: list[Row] = []
    index = 0
    while index < len(rows):
        end = index
        while end < len(rows) and hidden[end]:
            end += 1
        if end - index >= SHORTEST:
            result.append(Row(folded=end - index))
            index = end
        else:
            result.append(rows[index])
            index += 1
    return result
