"""Which layer of one net is which of the other.

Names are a hint, not the truth: an inserted layer renumbers those after it, and two authors call one net's layers
differently. The layers of both nets are aligned in order, so that as much as possible of what they are (type, settings,
weights, shapes, neighbours, names) agrees in sum; pairs that stand on layers which are no counterparts are parted; then what is
left over is matched out of order: layers that have moved. What was matched in one phase is matched so in the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from netdef.diff.longest_increasing import longest_increasing
from netdef.diff.roots import Roots, grounded
from netdef.diff.units import Pair, Unit, units
from netdef.graph.layer import Layer
from netdef.graph.net import Net

LARGEST = 160_000  # pairs of layers that are weighed in one table; beyond, layers are matched by name only
NAMED, NAMED_ALIKE = 1.5, 4.0  # what a common name is worth; where all names are in both nets, they are meant
NEAR = 3  # positions that a layer may move without its name
GAIN, GAIN_OF_WEIGHTS = 3.0, 3.4  # what a pair must be worth, or both layers stay unmatched
KNOWN = 1000.0  # what a pair of the other phase is worth
SHAPING = {"kernel", "stride", "pad", "dilation", "num_output", "group"}  # settings that count as much as three others


@dataclass(frozen=True, eq=False)
class Match:
    """Layers that are one another's counterparts: mostly one and one; none on one side for a layer that came or went; several
    for towers that the other net writes as one layer."""

    before: tuple[Layer, ...]
    after: tuple[Layer, ...]

    @property
    def first(self) -> Layer:
        return (self.after or self.before)[0]


def align(before: Net, after: Net, known: Iterable[Match] = ()) -> list[Match]:
    """Every layer of both nets once, in an order that follows both.

    `known`: how the layers that the nets have in another phase were matched; it holds for those of these names.
    """
    marks = _marks(known)
    names = [{(layer.type, layer.name) for layer in net.layers} for net in (before, after)]
    left, right = units(before, names[1], marks[0]), units(after, names[0], marks[1])
    pairs = grounded(list(_aligned(left, right)))
    return [match for pair in _rejoined(pairs) for match in _matches(pair)]


def _marks(known: Iterable[Match]) -> tuple[dict[tuple[str, str], int], dict[tuple[str, str], int]]:
    """For the layers of either net by (type, name): the number of the match that each belongs to."""
    marks: tuple[dict[tuple[str, str], int], dict[tuple[str, str], int]] = {}, {}
    for number, match in enumerate(known):
        for side, layers in zip(marks, (match.before, match.after), strict=True):
            side.update({(layer.type, layer.name): number for layer in layers})
    return marks


def _may_pair(a: Unit, b: Unit) -> bool:
    """Whether another phase allows it: those that both were there are as they were there."""
    if a.mark is None and b.mark is None:
        return True
    return a.mark == b.mark or (None in (a.mark, b.mark) and a.key == b.key)


def _matches(pair: Pair) -> Iterator[Match]:
    """Twins that have as many twins on the other side are matched one by one; twins that came or went are reported one by one."""
    a, b = (unit.layers if unit else () for unit in pair)
    if len(a) == len(b) and a:
        yield from (Match((x,), (y,)) for x, y in zip(a, b, strict=True))
    elif a and b:
        yield Match(a, b)
    else:
        yield from (Match((x,), ()) for x in a)
        yield from (Match((), (y,)) for y in b)


def _aligned(left: Sequence[Unit], right: Sequence[Unit]) -> Iterator[Pair]:
    """Pairs in order: what both start and end with, and what is between."""
    start, end = 0, 0
    shorter = min(len(left), len(right))
    while start < shorter and _same(left[start], right[start]):
        start += 1
    while end < shorter - start and _same(left[-1 - end], right[-1 - end]):
        end += 1
    yield from zip(left[:start], right[:start], strict=True)
    yield from _between(left[start : len(left) - end], right[start : len(right) - end])
    yield from zip(left[len(left) - end :], right[len(right) - end :], strict=True)


def _same(a: Unit, b: Unit) -> bool:
    return _may_pair(a, b) and a.key == b.key and a.settings == b.settings and a.weights == b.weights and a.output == b.output


def _between(left: Sequence[Unit], right: Sequence[Unit]) -> Iterator[Pair]:
    """Pairs of two runs of layers; long runs are cut where a name is in both."""
    if len(left) * len(right) <= LARGEST:
        yield from _weighed(left, right)
        return
    begins = (0, 0)
    for i, j in [*_anchors(left, right), (len(left), len(right))]:
        gap = left[begins[0] : i], right[begins[1] : j]
        if len(gap[0]) * len(gap[1]) <= LARGEST:
            yield from _weighed(*gap)
        else:
            yield from ((unit, None) for unit in gap[0])
            yield from ((None, unit) for unit in gap[1])
        if i < len(left):
            yield left[i], right[j]
        begins = i + 1, j + 1


def _anchors(left: Sequence[Unit], right: Sequence[Unit]) -> list[tuple[int, int]]:
    """The longest row of layers with one name and type on both sides, in the order of both."""
    order_of = {unit.key: index for index, unit in enumerate(right)}
    return longest_increasing([(i, order_of[unit.key]) for i, unit in enumerate(left) if unit.key in order_of])


def _weighed(left: Sequence[Unit], right: Sequence[Unit]) -> Iterator[Pair]:
    """The pairs in order whose worth is greatest in sum (Needleman & Wunsch 1970)."""
    width = len(right)
    table = [[0.0] * (width + 1)]
    alike = {unit.key for unit in left} == {unit.key for unit in right}
    named = NAMED_ALIKE if alike else NAMED
    worth = [[_worth(a, b, named) for b in right] for a in left]
    for row in worth:
        last, line = table[-1], [0.0]
        for j in range(width):
            line.append(max(last[j] + row[j], last[j + 1], line[j]))
        table.append(line)
    i, j = len(left), width
    found: list[Pair] = []
    while i or j:
        if i and j and table[i][j] == table[i - 1][j - 1] + worth[i - 1][j - 1] and worth[i - 1][j - 1] > 0:
            i, j = i - 1, j - 1
            found.append((left[i], right[j]))
        elif j and table[i][j] == table[i][j - 1]:
            j -= 1
            found.append((None, right[j]))
        else:
            i -= 1
            found.append((left[i], None))
    yield from reversed(found)


def _worth(a: Unit, b: Unit, named: float) -> float:
    """How much two layers have in common, less what a pair must have; weights make a layer weigh more."""
    if not _may_pair(a, b):
        return 0.0
    if a.mark is not None and a.mark == b.mark:
        return KNOWN
    same_name = a.first.name == b.first.name
    if a.first.type != b.first.type:
        related = a.first.kind == b.first.kind and a.first.is_interchangeable and b.first.is_interchangeable
        alike = a.context == b.context and (a.readers == b.readers or a.first.is_source)
        return 1.0 + related if same_name else 0.5 * related * alike
    worth = 2.0 + named * same_name + 2.0 * _agreement(a.settings, b.settings)
    worth += 1.5 * (a.output == b.output) + 0.5 * (a.context == b.context) + 0.5 * (a.readers == b.readers)
    worth += 1.0 * (a.readers == b.readers and a.is_scored)
    if a.weights or b.weights:
        return 3.0 * (worth + (a.weights == b.weights) - GAIN_OF_WEIGHTS)
    return worth + 1.0 - GAIN


def _agreement(x: dict[str, Any], y: dict[str, Any]) -> float:
    """The share of settings that are alike; 1 where there is nothing to set."""
    if x == y:
        return 1.0
    counts = {name: 3 if name in SHAPING else 1 for name in x.keys() | y.keys()}
    return sum(count for name, count in counts.items() if name in x and name in y and x[name] == y[name]) / sum(counts.values())


def _rejoined(pairs: list[Pair]) -> list[Pair]:
    """Layers left over on both sides that have moved are paired; they stand where the second net has them.

    They were paired in the other phase; or have one name and type; or are set alike and have weights of one shape; or have no
    weights, are of one type, and follow the same layers with weights or have moved by a layer or two.
    """
    gone = [(index, a) for index, (a, b) in enumerate(pairs) if a is not None and b is None]
    come = [(index, b) for index, (a, b) in enumerate(pairs) if a is None and b is not None]
    partner: dict[int, int] = {}  # index of a layer that has come -> of the one that has gone
    taken: set[int] = set()
    roots = Roots(pairs)
    rules: tuple[Callable[[Unit], object], ...] = (_known, _called_alike, _made_alike, roots.key, _close_by)
    for rule in rules:
        waiting: dict[object, list[tuple[int, Unit]]] = {}
        for index, unit in reversed(gone):
            if index not in taken:
                waiting.setdefault(rule(unit), []).append((index, unit))
        for index, unit in come:
            key = rule(unit)
            found = waiting.get(key) if key is not None and index not in partner else None
            if not found or (rule is _close_by and abs(found[-1][0] - index) > NEAR):
                continue
            if rule is _known or (_may_pair(found[-1][1], unit) and roots.belong(found[-1][1], unit)):
                partner[index] = found.pop()[0]
                taken.add(partner[index])
    result: list[Pair] = []
    for index, (a, b) in enumerate(pairs):
        if index not in taken:
            result.append((pairs[partner[index]][0] if index in partner else a, b))
    return result


def _known(unit: Unit) -> object:
    return unit.mark


def _called_alike(unit: Unit) -> object:
    return unit.key


def _made_alike(unit: Unit) -> object:
    return (unit.first.type, unit.weights, unit.output, repr(sorted(unit.settings.items()))) if unit.weights else None


def _close_by(unit: Unit) -> object:
    return None if unit.weights else unit.first.type
