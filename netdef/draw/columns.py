"""A long drawing in several columns, read from the left to the right: each is laid out by itself, and one blob goes to the next."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt

from netdef.draw.layout import Box, Layout, Link, Point, arrange

MOST_RANKS = 24  # boxes one below the other in a single column
_BETWEEN = 76.0  # pixels between columns, where the wires from one to the next run
_WIDE = 1.5  # how much wider than high a picture may become
_ABOVE = 50.0  # pixels above all columns, for wires
_LEAD, _HIGH = 15.0, 36.0  # from a wire's bend to a box, and to the first box of a column


def in_columns(units: Sequence[Sequence[int]], boxes: Sequence[Box], links: Sequence[Link], rank_gap: float) -> list[list[int]]:
    """The numbers of the boxes of each column, so that the picture is about as high as wide; one column for a short drawing.

    Parameters
    ----------
    units: boxes that stay in one column.
    """
    heights, widths = zip(*(_size(unit, links) for unit in units), strict=True)
    ranks = sum(heights)
    if ranks <= MOST_RANKS:
        return [[box for unit in units for box in unit]]
    height, width = boxes[0].height + rank_gap, max(widths) * (boxes[0].width + 26) + _BETWEEN
    count = max(1, round(sqrt(_WIDE * ranks * height / width)))
    columns: list[list[int]] = [[]]
    filled, goal = 0, ceil(ranks / count)
    for unit, high in zip(units, heights, strict=True):
        if columns[-1] and filled + high / 2 > goal and len(columns) < count:
            columns.append([])
            filled = 0
        columns[-1] += unit
        filled += high
    return columns


def _size(unit: Sequence[int], links: Sequence[Link]) -> tuple[int, int]:
    """How many ranks the boxes of a unit take, and how many boxes the widest has."""
    inside, rank = set(unit), dict.fromkeys(unit, 0)
    for box in unit:
        for link in links:
            if link.source == box and link.target in inside:
                rank[link.target] = max(rank[link.target], rank[box] + 1)
    numbers = list(rank.values())
    return max(numbers) + 1, max(map(numbers.count, numbers))


def arrange_columns(
    columns: Sequence[Sequence[int]], boxes: Sequence[Box], links: Sequence[Link], rank_gap: float, gap: float
) -> Layout:
    """A layout of boxes in columns, each from top to bottom; raises as `arrange`."""
    if len(columns) == 1:
        return arrange(boxes, links, True, rank_gap, gap)
    positions: list[Point] = [(0.0, 0.0)] * len(boxes)
    routes: list[list[Point]] = [[] for _ in links]
    column_of = {box: number for number, column in enumerate(columns) for box in column}
    left, bottom, edges = 0.0, 0.0, []
    for number, column in enumerate(columns):
        own = [index for index, link in enumerate(links) if column_of[link.source] == column_of[link.target] == number]
        at = {box: index for index, box in enumerate(column)}
        inner = [Link(at[links[index].source], at[links[index].target]) for index in own]
        part = arrange([boxes[box] for box in column], inner, True, rank_gap, gap)
        for box, (x, y) in zip(column, part.positions, strict=True):
            positions[box] = x + left, y + _ABOVE
        for index, route in zip(own, part.routes, strict=True):
            routes[index] = [(x + left, y + _ABOVE) for x, y in route]
        edges.append((left, left + part.size[0]))
        left += part.size[0] + _BETWEEN
        bottom = max(bottom, part.size[1] + _ABOVE)
    for index, link in enumerate(links):
        if column_of[link.source] != column_of[link.target]:
            ends = (edges[column_of[link.source]][1], edges[column_of[link.target]][0])
            routes[index] = _across(positions[link.source], boxes[link.source], positions[link.target], boxes[link.target], ends)
    return Layout(positions, routes, (left - _BETWEEN, bottom + _LEAD))


def _across(start: Point, source: Box, goal: Point, target: Box, edges: tuple[float, float]) -> list[Point]:
    """A wire from the bottom of a box, above all columns, to the top of a box in another column."""
    x, y = start[0] + source.width / 2, start[1] + source.height
    goal_x = goal[0] + target.width / 2
    out, into = edges[0] + _BETWEEN / 2, edges[1] - _BETWEEN / 2
    way = [(x, y), (x, y + _LEAD), (out, y + _LEAD)]
    bend = goal[1] - (_HIGH if goal[1] <= _ABOVE else _LEAD)  # above the name of the panel that a column may begin with
    if out != into:
        way += [(out, _LEAD / 2), (into, _LEAD / 2)]
    return [*way, (into, bend), (goal_x, bend), (goal_x, goal[1])]
