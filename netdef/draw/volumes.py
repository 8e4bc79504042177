"""A net that goes straight on, from left to right: each blob as a solid, towers in rows, a table of numbers below.

A solid's height and depth grow with the blob's rows and columns, its thickness with the channels: the way the AlexNet paper
draws itself. A window on a solid and the fan from it to the next show what one number of the next is computed from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from netdef.draw import svg
from netdef.draw.layout import Box, Link, arrange
from netdef.draw.stages import Drawing, Stage, Wire
from netdef.draw.theme import shortened, text_width
from netdef.draw.words import doing, followers, output, window
from netdef.language.units import decimal

Point = tuple[float, float]
_RANK_GAP, _GAP = 18.0, 16.0
_ROW = 17.0  # of the table
_ROWS = ("", "then in place", "window", "", "output", "parameters", "MACs an image")
_PILL, _PILL_MOST = 40.0, 200.0  # height of what is no solid, losses and results; pixels of text in it
_COLUMN_MOST = 140.0  # pixels of text in a column
_TOWER_GAP = 30.0  # from tower to tower, with the number of channels in it
_POWER = 0.6  # a side drawn against the pixels along it: 227 to 6 of them would not go on one page
_SLANT = (0.40, 0.26)  # how far a column of pixels leads right and up, in heights of one


@dataclass(frozen=True)
class Solid:
    """A drawn blob: its front's width and height, and how far its back lies right and up."""

    width: float
    height: float
    right: float
    up: float

    @property
    def size(self) -> Point:
        return self.width + self.right, self.height + self.up


def solid_of(stage: Stage) -> Solid:
    """The solid of one tower of a stage."""
    if len(stage.shape) == 3 and prod(stage.shape[1:]) > 1:
        channels, rows, columns = stage.shape
        depth = _side(columns)
        return Solid(max(4.0, 2.1 * (channels / stage.towers) ** 0.5), _side(rows), depth * _SLANT[0], depth * _SLANT[1])
    length = min(230.0, max(18.0, 3.0 * prod(stage.shape) ** 0.5))
    return Solid(12.0, length, 7.0, 4.5)


def _side(pixels: int) -> float:
    return max(10.0, 7.0 * pixels**_POWER)


def volumes(drawing: Drawing, titles: Sequence[str]) -> tuple[list[str], float, float]:
    """The elements of the picture, its width and its height.

    Parameters
    ----------
    titles: what each stage shows under the mouse.
    """
    return _Volumes(drawing).elements(titles)


class _Volumes:
    def __init__(self, drawing: Drawing):
        self.drawing = drawing
        self.stages = drawing.stages
        self.solids = {stage: solid_of(stage) for stage in self.stages if stage.kind not in ("loss", "result")}
        self.cells = {stage: _cells(stage) for stage in self.solids}
        filled = [row for row in range(len(_ROWS)) if row == 0 or any(cells[row] for cells in self.cells.values())]
        self.lines = {row: line for line, row in enumerate(filled)}  # of the table: which row of cells is where
        lines = [(stage.name, 12.5, True) for stage in self.stages if stage not in self.solids]
        lines += [(doing(stage), 11, False) for stage in self.stages if stage not in self.solids]
        self.pill_width = min(_PILL_MOST, max((text_width(*line) for line in lines), default=0.0)) + 24
        in_rows = [solid.size[1] for stage, solid in self.solids.items() if stage.towers > 1]
        self.pitch = max(in_rows, default=0.0) + _TOWER_GAP
        self.height = max((self.pitch * (s.towers - 1) + solid.size[1] for s, solid in self.solids.items()), default=0.0)
        number = {stage: index for index, stage in enumerate(self.stages)}
        self.links = [Link(number[wire.source], number[wire.target]) for wire in drawing.wires]
        self.layout = arrange([self.box(stage) for stage in self.stages], self.links, False, _RANK_GAP, _GAP)
        self.centres = {
            stage: (x + self.box(stage).width / 2, y + self.box(stage).height / 2)
            for stage, (x, y) in zip(self.stages, self.layout.positions, strict=True)
        }

    def box(self, stage: Stage) -> Box:
        """The room a stage takes."""
        if stage in self.solids:
            text = max(text_width(cell, *_type_of(row)) for row, cell in enumerate(self.cells[stage]))
            return Box(max(self.solids[stage].size[0], text) + 6, self.height + 40)
        return Box(self.pill_width, _PILL)

    def elements(self, titles: Sequence[str]) -> tuple[list[str], float, float]:
        drawn = []
        bottom = max((y for _, y in self.centres.values()), default=0.0)
        table = max((self.centres[stage][1] for stage in self.solids), default=bottom) + self.height / 2 + 34
        for index, stage in enumerate(self.stages):
            pieces = self.solid(stage, table) if stage in self.solids else self.pill(stage)
            drawn.append(svg.stage(pieces, stage.kind, titles[index], index))
        drawn += [self.wire(index, wire) for index, wire in enumerate(self.drawing.wires)]
        margin, heads = self.row_heads(table)
        height = max(self.layout.size[1], table + _ROW * (len(self.lines) - 1)) + 6
        return [*heads, svg.tag("g", "".join(drawn), transform=f"translate({margin:g} 0)")], self.layout.size[0] + margin, height

    # -- stages

    def corner(self, stage: Stage, tower: int) -> Point:
        """The top left of the room of a tower's solid."""
        x, y = self.centres[stage]
        width, height = self.solids[stage].size
        return x - width / 2, y + (tower - (stage.towers - 1) / 2) * self.pitch - height / 2

    def solid(self, stage: Stage, table: float) -> list[str]:
        solid, pieces = self.solids[stage], []
        channels = str((stage.shape[0] if stage.shape else 1) // stage.towers)
        for tower in range(stage.towers):
            x, y = self.corner(stage, tower)
            w, h, right, up = solid.width, solid.height, solid.right, solid.up
            y += up
            pieces += [
                svg.polygon([(x, y), (x + right, y - up), (x + w + right, y - up), (x + w, y)], "roof"),
                svg.polygon([(x + w, y), (x + w + right, y - up), (x + w + right, y - up + h), (x + w, y + h)], "side"),
                svg.polygon([(x, y), (x + w, y), (x + w, y + h), (x, y + h)], "front"),
                svg.text(x + w / 2, y + h + 13, channels, "count middle"),
            ]
        x = self.centres[stage][0]
        for row, cell in enumerate(self.cells[stage]):
            if cell:
                class_ = "name" if row == 0 else "note" if row in (1, 2, 3) else "cell"
                pieces.append(svg.text(x, table + self.lines[row] * _ROW, cell, f"{class_} middle"))
        return pieces

    def pill(self, stage: Stage) -> list[str]:
        (x, y), width = self.centres[stage], self.box(stage).width
        name, what = shortened(stage.name, 12.5, width - 24, bold=True), shortened(doing(stage), 11, width - 24)
        return [
            svg.rect(x - width / 2, y - _PILL / 2, width, _PILL, "card", 10),
            svg.text(x, y - 3, name, "name middle"),
            svg.text(x, y + 12, what, "note middle"),
        ]

    def row_heads(self, table: float) -> tuple[float, list[str]]:
        """How far right the drawing begins, and what stands left of the table's rows; rows without anything are left out."""
        width = max(text_width(_ROWS[row], 11) for row in self.lines) + 24
        texts = [svg.text(0, table + line * _ROW, _ROWS[row], "note") for row, line in self.lines.items() if _ROWS[row]]
        return width, texts

    # -- wires

    def wire(self, index: int, wire: Wire) -> str:
        source, target = wire.source, wire.target
        pieces = []
        if source in self.solids and target in self.solids:
            for tower in range(target.towers):
                for other in range(source.towers):
                    if not wire.apart or other == tower:
                        pieces.append(self.reach(source, other, target, tower))
        else:
            pieces.append(svg.wire(self.route(source, target, self.layout.routes[index])))
        link = self.links[index]
        return svg.group(pieces, "link", data_from=link.source, data_to=link.target)

    def route(self, source: Stage, target: Stage, route: list[Point]) -> list[Point]:
        """The way to or from a pill. From a solid it begins at its side, not at the edge of the room around it."""
        if source not in self.solids:
            return route
        (x, y), end = self.centres[source], route[-1]
        start = (x + self.solids[source].size[0] / 2, y)
        between = self.centres[target][0] - self.box(target).width / 2 - x - self.box(source).width / 2
        if between > _RANK_GAP + 60:  # something may lie between the two
            return [(start[0], route[0][1]), *route]
        bend = end[0] - 22
        return [start, (bend, y), (bend, end[1]), end] if abs(end[1] - y) > 1 else [start, end]

    def reach(self, source: Stage, other: int, target: Stage, tower: int) -> str:
        """What one tower of a stage sees of a tower of the stage before it."""
        (x, y), solid = self.corner(source, other), self.solids[source]
        (goal_x, goal_top), goal = self.corner(target, tower), self.solids[target]
        front = goal_top + goal.up
        if target.kind == "connected":
            edge = x + solid.width + solid.right
            points = [(edge, y), (goal_x, front), (goal_x, front + goal.height), (edge, y + solid.height)]
            return svg.polygon(points, f"fan-{target.kind}")
        kernel = getattr(target.layer, "kernel", None)
        if kernel is None or len(kernel) != 2 or len(source.shape) != 3 or prod(source.shape[1:]) == 1:
            height = y + solid.size[1] / 2
            return svg.wire([(x + solid.size[0], height), (goal_x, goal_top + goal.size[1] / 2)])
        rows, columns = (min(1.0, side / whole) ** _POWER for side, whole in zip(kernel, source.shape[1:], strict=True))
        # The window lies on the right side of the solid, nearer to the tower that it feeds.
        lean = 0.5 + 0.22 * (tower - other) if source.towers == target.towers else 0.5
        left = x + solid.width + solid.right * (0.5 - columns / 2)
        across, rise = solid.right * columns, solid.up * columns
        top = y + solid.up * (0.5 + columns / 2) + (solid.height - solid.height * rows) * lean
        high = solid.height * rows
        eye = [(left, top), (left + across, top - rise), (left + across, top - rise + high), (left, top + high)]
        tip = (goal_x, front + goal.height / 2)
        fan = svg.polygon([eye[1], tip, eye[2]], f"fan-{target.kind}")
        return fan + svg.polygon(eye, f"eye-{target.kind}")


def _cells(stage: Stage) -> list[str]:
    """A column of the table: name, what works in place, window, moves, output, parameters, MACs."""
    looks, moves = window(stage.layer)
    cells = [
        stage.name, followers(stage), looks.removesuffix(f", {stage.towers} groups"), moves, output(stage),
        decimal(stage.parameters) if stage.parameters else "", decimal(stage.macs) if stage.macs else "",
    ]  # fmt: skip
    fitted = []
    for row, cell in enumerate(cells):
        size, bold = _type_of(row)
        fitted.append(shortened(cell, size, _COLUMN_MOST, bold))
    return fitted


def _type_of(row: int) -> tuple[float, bool]:
    """The size of the letters in a row of the table, and whether they are bold: the first row holds names."""
    return (12.5, True) if row == 0 else (11, False)
