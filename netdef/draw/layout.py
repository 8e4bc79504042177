"""Where boxes and wires go: ranks, order within them and routes around them, by the library graphlay.

graphlay is a layered (Sugiyama-style) engine: it keeps the main way straight, takes boxes of any size, gives the same
drawing every time, and comes as a small wheel without dependencies. Nothing else here knows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from netdef.language.diagnostics import NetdefError
from netdef.language.extras import install

Point = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """A box to lay out: its size, and the column it must stay in, if any."""

    width: float
    height: float
    column: int | None = None


@dataclass(frozen=True)
class Link:
    """A wire from box to box, by their numbers."""

    source: int
    target: int


@dataclass(frozen=True)
class Layout:
    """Top left corners of the boxes and points of the links, all within (0, 0) and `size`."""

    positions: list[Point]
    routes: list[list[Point]]
    size: tuple[float, float]


def arrange(boxes: Sequence[Box], links: Sequence[Link], down: bool, rank_gap: float, gap: float, bundled: bool = True) -> Layout:
    """Place boxes rank by rank, downwards or to the right.

    Parameters
    ----------
    rank_gap: pixels between ranks. gap: between neighbours in a rank.
    bundled: whether wires from one box, or to one, run together.

    Raises
    ------
    NetdefError: the library is not installed.
    """
    try:
        import graphlay
    except ImportError:
        hint = f"{install('draw')}; DOT files (-o net.dot) need nothing"
        raise NetdefError("drawing needs the library graphlay, which is not installed", hint=hint) from None
    graph = graphlay.Graph()
    for index, box in enumerate(boxes):
        fields: dict[str, Any] = {} if box.column is None else {"group": box.column}
        graph.node(index, width=box.width, height=box.height, label="", **fields)
    for link in links:
        graph.edge(link.source, link.target)
    options = {
        "direction": "topbottom" if down else "leftright",
        "spacing": {"layer_gap": rank_gap, "node_gap": gap, "dummy_gap": gap, "port_gap": 14},
        "routing": {"merge_edges": "both" if bundled else "none"},
        "order": {"group_lanes": "strict"},
    }
    drawn = graphlay.layout(graph, options=options)
    centres = [(node["center"]["x"], node["center"]["y"]) for node in drawn.nodes]
    across = 0 if down else 1
    better = columns_in_order(boxes, in_given_order(boxes, links, centres, across), across)
    if better != centres:
        for node, (x, y) in zip(graph.nodes, better, strict=True):
            node["position"] = {"x": x, "y": y}
        drawn = graphlay.reroute(graph, options=options)
    low, high = (drawn.bounds[end] for end in ("min", "max"))

    def point(raw: dict[str, float]) -> Point:
        return raw["x"] - low["x"], raw["y"] - low["y"]

    centres = [point(node["center"]) for node in drawn.nodes]
    return Layout(
        [(x - box.width / 2, y - box.height / 2) for (x, y), box in zip(centres, boxes, strict=True)],
        [[point(p) for p in edge["points"]] for edge in drawn.edges],
        (high["x"] - low["x"], high["y"] - low["y"]),
    )


def in_given_order(boxes: Sequence[Box], links: Sequence[Link], centres: list[Point], across: int) -> list[Point]:
    """The centres with parallel branches put in the order of their boxes' numbers.

    Branches that lead from one box to another, side by side, each straight, can be exchanged without harm; the library
    leaves their order to chance.

    Parameters
    ----------
    across: the axis along which neighbours in a rank lie, 0 or 1.
    """
    after: list[list[int]] = [[] for _ in boxes]
    before: list[list[int]] = [[] for _ in boxes]
    for link in links:
        after[link.source].append(link.target)
        before[link.target].append(link.source)
    moved = list(centres)
    for firsts in after:
        branches: dict[int, list[list[int]]] = {}
        for first in firsts:
            branch, box = [], first
            while len(before[box]) == 1 and len(after[box]) == 1:
                branch.append(box)
                box = after[box][0]
            if branch and len({round(centres[box][across], 3) for box in branch}) == 1:
                branches.setdefault(box, []).append(branch)
        for parallel in branches.values():
            alike = {boxes[box] for branch in parallel for box in branch}
            if len(parallel) > 1 and len(alike) == 1:
                positions = sorted(centres[branch[0]][across] for branch in parallel)
                for branch, position in zip(sorted(parallel), positions, strict=True):
                    for box in branch:
                        moved[box] = (position, centres[box][1]) if across == 0 else (centres[box][0], position)
    return moved


def columns_in_order(boxes: Sequence[Box], centres: list[Point], across: int) -> list[Point]:
    """The centres with whole columns moved so that they follow one another by number; the library leaves that to chance too."""
    spans: dict[int, tuple[float, float]] = {}
    for box, centre in zip(boxes, centres, strict=True):
        if box.column is not None:
            half = (box.height if across else box.width) / 2
            low, high = spans.get(box.column, (centre[across], centre[across]))
            spans[box.column] = min(low, centre[across] - half), max(high, centre[across] + half)
    found = sorted(spans, key=lambda column: spans[column])
    if found == sorted(spans):
        return centres
    gaps = [spans[right][0] - spans[left][1] for left, right in pairwise(found)]
    shift: dict[int | None, float] = {}
    edge = spans[found[0]][0]
    for column, gap in zip(sorted(spans), [*gaps, 0.0], strict=True):
        shift[column] = edge - spans[column][0]
        edge += spans[column][1] - spans[column][0] + gap
    return [
        (x, y + shift.get(box.column, 0.0)) if across else (x + shift.get(box.column, 0.0), y)
        for box, (x, y) in zip(boxes, centres, strict=True)
    ]
