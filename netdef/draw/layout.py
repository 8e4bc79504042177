"""Where boxes and wires go: ranks, order within them and routes around them, by the library graphlay.

graphlay is a layered (Sugiyama-style) engine: it keeps the main way straight, takes boxes of any size, gives the same
drawing every time, and comes as a small wheel without dependencies. Nothing else here knows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from netdef.language.diagnostics import NetdefError

Point = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """What is to be placed: its size, and the column it must stay in, if any."""

    width: float
    height: float
    column: int | None = None


@dataclass(frozen=True)
class Link:
    """A wire from box to box, by their numbers, and the size of the label that must find room on it."""

    source: int
    target: int
    label: tuple[float, float] | None = None


@dataclass(frozen=True)
class Layout:
    """Top left corners of the boxes, points of the links, where their labels are centred; within (0, 0) and `size`."""

    places: list[Point]
    routes: list[list[Point]]
    labels: list[Point | None]
    size: tuple[float, float]


def arrange(boxes: Sequence[Box], links: Sequence[Link], down: bool, rank_gap: float, gap: float) -> Layout:
    """Place boxes rank by rank, downwards or to the right.

    Parameters
    ----------
    rank_gap: pixels between ranks. gap: between neighbours in a rank.

    Raises
    ------
    NetdefError: the library is not installed.
    """
    try:
        import graphlay
    except ImportError:
        hint = "pip install 'netdef-compiler[draw]', or '.[draw]' in a checkout; DOT files (-o net.dot) need nothing"
        raise NetdefError("drawing needs the library graphlay, which is not installed", hint=hint) from None
    graph = graphlay.Graph()
    for index, box in enumerate(boxes):
        fields: dict[str, Any] = {} if box.column is None else {"group": box.column}
        graph.node(index, width=box.width, height=box.height, label="", **fields)
    for link in links:
        size: dict[str, Any] = {} if link.label is None else {"label_size": dict(zip(("width", "height"), link.label, strict=True))}
        graph.edge(link.source, link.target, **size)
    options = {
        "direction": "topbottom" if down else "leftright",
        "spacing": {"layer_gap": rank_gap, "node_gap": gap, "dummy_gap": gap, "port_gap": 14},
        "routing": {"merge_edges": "both" if all(link.label is None for link in links) else "none"},
        "order": {"group_lanes": "strict"},
    }
    drawn = graphlay.layout(graph, options=options)
    centres = [(node["center"]["x"], node["center"]["y"]) for node in drawn.nodes]
    sorted_centres = in_given_order(boxes, links, centres, across=0 if down else 1)
    if sorted_centres != centres:
        for node, (x, y) in zip(graph.nodes, sorted_centres, strict=True):
            node["position"] = {"x": x, "y": y}
        drawn = graphlay.reroute(graph, options=options)
    low, high = (drawn.bounds[end] for end in ("min", "max"))

    def point(raw: dict[str, float]) -> Point:
        return raw["x"] - low["x"], raw["y"] - low["y"]

    centres = [point(node["center"]) for node in drawn.nodes]
    return Layout(
        [(x - box.width / 2, y - box.height / 2) for (x, y), box in zip(centres, boxes, strict=True)],
        [[point(p) for p in edge["points"]] for edge in drawn.edges],
        [point(edge["label_anchor"]) if edge.get("label_anchor") else None for edge in drawn.edges],
        (high["x"] - low["x"], high["y"] - low["y"]),
    )


def in_given_order(boxes: Sequence[Box], links: Sequence[Link], centres: list[Point], across: int) -> list[Point]:
    """The centres with parallel branches put in the order of their boxes' numbers.

    Branches that lead from one box to another, side by side, each straight, can change places without any harm; the library
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
            sizes = {(boxes[box].width, boxes[box].height) for branch in parallel for box in branch}
            if len(parallel) > 1 and len(sizes) == 1:
                places = sorted(centres[branch[0]][across] for branch in parallel)
                for branch, place in zip(sorted(parallel), places, strict=True):
                    for box in branch:
                        moved[box] = (place, centres[box][1]) if across == 0 else (centres[box][0], place)
    return moved
