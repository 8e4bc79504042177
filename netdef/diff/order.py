"""Runs of layers that both nets have, in another order: normalisation and pooling changed round."""

from __future__ import annotations

from dataclasses import dataclass

from netdef.diff.align import Match
from netdef.graph.layer import Layer

LONGEST = 12  # layers in such a run


@dataclass(frozen=True)
class Reordered:
    """The layers between `entry` and `exit` in the order of either net."""

    entry: Match
    before: tuple[Match, ...]
    after: tuple[Match, ...]
    exit: Match | None


def reordered(matches: list[Match]) -> list[Reordered]:
    """All runs whose order changed, each once, in the order of the nets."""
    both = [match for match in matches if match.before and match.after]
    ways = _Ways(matches, 0), _Ways(matches, 1)
    found: list[Reordered] = []
    inside: set[Match] = set()
    for entry in both:
        if entry in inside:
            continue
        readers = [way.next(entry) for way in ways]
        if readers[0].keys() == readers[1].keys():
            continue
        starts = [[m for m in mine if m not in other] for mine, other in (readers, readers[::-1])]
        if len(starts[0]) == len(starts[1]) == 1:
            run = _run(entry, starts[0][0], starts[1][0], ways)
            if run is not None:
                found.append(run)
                inside.update(run.before)
    return found


def _run(entry: Match, first: Match, second: Match, ways: tuple[_Ways, _Ways]) -> Reordered | None:
    """The shortest runs from two layers on that hold the same layers."""
    runs = [first], [second]
    for _ in range(LONGEST):
        if set(runs[0]) == set(runs[1]):
            ends = [list(way.next(run[-1])) for way, run in zip(ways, runs, strict=True)]
            leave = ends[0][0] if ends[0] and ends[0] == ends[1] else None
            return Reordered(entry, tuple(runs[0]), tuple(runs[1]), leave)
        for way, run in zip(ways, runs, strict=True):
            following = list(way.next(run[-1]))
            if len(following) != 1:
                return None
            run.append(following[0])
    return None


class _Ways:
    """Where the blobs of one net lead, from match to match; layers that only this net has are passed through."""

    def __init__(self, matches: list[Match], side: int):
        self.side = side
        self.of: dict[Layer, Match] = {layer: m for m in matches for layer in (m.after if side else m.before)}
        self.known: dict[Match, dict[Match, None]] = {}

    def next(self, match: Match) -> dict[Match, None]:
        """The matches that read what this one makes, in order."""
        if match not in self.known:
            found: dict[Match, None] = {}
            waiting = list(match.after if self.side else match.before)
            seen = set(waiting)
            while waiting:
                for top in waiting.pop().tops:
                    for reader in top.consumers:
                        other = self.of.get(reader)  # None for a layer that is not looked at: of one phase only
                        if other is not None and other.before and other.after:
                            found[other] = None
                        elif other is not None and reader not in seen:
                            seen.add(reader)
                            waiting.append(reader)
            self.known[match] = found
        return self.known[match]
