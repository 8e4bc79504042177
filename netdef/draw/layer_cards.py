"""Any net, from top to bottom: a box for each stage with its numbers on it, a panel behind those that share a name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import ceil

from netdef.draw import svg
from netdef.draw.columns import arrange_columns, in_columns
from netdef.draw.fold import Unit
from netdef.draw.layout import Box, Layout, Link
from netdef.draw.stages import Drawing, Stage
from netdef.draw.theme import shortened, text_width
from netdef.draw.words import costs, doing, followers, output
from netdef.language.units import decimal, plural

WIDTH, WIDEST, HEIGHT = 228.0, 300.0, 60.0  # wider than the first where names need it
_PAD = 12.0  # from a box's side to its text
_RANK_GAP, _GAP = 46.0, 26.0
_PANEL, _PANEL_FOOT, _PANEL_HEAD = 10.0, 7.0, 27.0  # from boxes to the edge of their panel: beside, below, above with its name
_FEWEST = 3  # stages in a panel

Area = tuple[float, float, float, float]  # left, top, width, height


def layer_cards(drawing: Drawing, titles: Sequence[str], units: Sequence[Unit] = ()) -> tuple[list[str], float, float]:
    """The elements of the picture, its width and its height.

    Parameters
    ----------
    titles: what each stage shows under the mouse.
    units: stages that belong together; a long drawing is cut between them into columns.
    """
    number = {stage: index for index, stage in enumerate(drawing.stages)}
    links = [Link(number[wire.source], number[wire.target]) for wire in drawing.wires]
    width = _width(drawing.stages)
    boxes = [Box(width, HEIGHT) for _ in drawing.stages]
    numbered = [[number[stage] for stage in unit.stages] for unit in units]
    columns = in_columns(numbered, boxes, links, _RANK_GAP) if units else [list(range(len(boxes)))]
    layout = arrange_columns(columns, boxes, links, _RANK_GAP, _GAP)
    panels = _panels(drawing.stages, layout, width, units)
    column_of = {box: at for at, column in enumerate(columns) for box in column}
    drawn = [
        _panel(name, *area, width, [drawing.stages[index] for index in members], members)
        for name, (area, members) in panels.items()
    ]
    drawn += [
        svg.group([svg.wire(route)], "link", data_from=link.source, data_to=link.target)
        for link, route in zip(links, layout.routes, strict=True)
    ]
    for index, (stage, position) in enumerate(zip(drawing.stages, layout.positions, strict=True)):
        name = stage.name.removeprefix(stage.family + "/") if stage.family in panels else stage.name
        drawn.append(card(stage, index, *position, name, titles[index], width, column_of[index] if len(columns) > 1 else None))
    return drawn, *layout.size


def _width(stages: Sequence[Stage]) -> float:
    """The width of all boxes: what the longest name with the chips beside it takes, or what is below it, within limits."""
    families = Counter(stage.family for stage in stages)
    wanted = WIDTH
    for stage in stages:
        name = stage.name.removeprefix(stage.family + "/") if families[stage.family] >= _FEWEST else stage.name
        head = text_width(name, 12.5, bold=True) + sum(_chip_width(chip) + 4 for chip in _chips(stage))
        wanted = max(wanted, ceil(max(head, text_width(doing(stage), 11))) + 2 * _PAD)
    return min(WIDEST, wanted)


def _chips(stage: Stage) -> list[str]:
    """What stands on the right of a box's name: what works in place, how many images."""
    return [chip for chip in (followers(stage), plural(stage.images, "image") if stage.images else "") if chip]


def _chip_width(chip: str) -> float:
    return text_width(chip, 10) + 12


def card(
    stage: Stage, index: int, x: float, y: float, name: str, title: str, width: float = WIDTH, column: int | None = None
) -> str:
    """One stage as a box with three lines: its name and what works in place, what it does, what it makes and costs."""
    left, right, baseline = x + _PAD, x + width - _PAD, y + 20
    room = width - 2 * _PAD
    pieces = [svg.rect(x, y, width, HEIGHT, "card", 7), svg.rect(x, y + 9, 4, HEIGHT - 18, "bar", 2)]
    free = room
    for chip in _chips(stage):
        shown = shortened(chip, 10, room / 2)
        wide = _chip_width(shown)
        start = left + free - wide + 2
        pieces += [svg.rect(start, y + 8, wide, 16, "chip", 8), svg.text(start + wide / 2, baseline - 0.5, shown, "small middle")]
        free -= wide + 4
    pieces.append(svg.text(left, baseline, shortened(name, 12.5, free, bold=True), "name"))
    pieces.append(svg.text(left, y + 36, _fitted(doing(stage), room), "note"))
    spent = costs(stage)
    pieces.append(svg.text(left, y + 51, _fitted(output(stage), room - text_width(spent, 11) - 8), "cell"))
    if spent:
        pieces.append(svg.text(right, y + 51, spent, "note end"))
    return svg.stage(pieces, stage.kind, title, index, data_column=column)


def _fitted(text: str, width: float) -> str:
    """A text with less space in it, or without its middle, if it would be wider."""
    tight = text.replace(" × ", "×") if text_width(text, 11) > width else text
    return shortened(tight, 11, width)


def _panels(stages: Sequence[Stage], layout: Layout, width: float, units: Sequence[Unit] = ()) -> dict[str, tuple[Area, list[int]]]:
    """Left, top, width and height of a panel behind each family of stages, and their numbers, where it would hold no other stage.

    Stages without a family have that of the unit they are in.
    """
    unit_of = {stage: unit for unit in units for stage in unit.stages}
    members: dict[str, list[int]] = {}
    for index, stage in enumerate(stages):
        unit = unit_of.get(stage)
        family = unit.title if unit is not None and (unit.count > 1 or not stage.family) else stage.family
        if family:
            members.setdefault(family, []).append(index)
    panels = {}
    for family, indices in members.items():
        if len(indices) < _FEWEST:
            continue
        corners = [layout.positions[index] for index in indices]
        left, top = (min(corner[axis] for corner in corners) for axis in (0, 1))
        right, bottom = (max(corner[axis] for corner in corners) + size for axis, size in ((0, width), (1, HEIGHT)))
        others = (layout.positions[index] for index in range(len(stages)) if index not in set(indices))
        if not any(left - width < x < right and top - HEIGHT < y < bottom for x, y in others):
            area = left - _PANEL, top - _PANEL_HEAD, right - left + 2 * _PANEL, bottom - top + _PANEL_HEAD + _PANEL_FOOT
            panels[family] = area, indices
    return panels


def _panel(
    name: str, left: float, top: float, width: float, height: float, box: float, stages: Sequence[Stage], members: Sequence[int]
) -> str:
    """A panel with its name, which ends before the wire into a `box` wide box in the middle; it says what its stages add up to."""
    shown = shortened(name, 11, width / 2 - box / 4 - 12)
    pieces = [svg.rect(left, top, width, height, "panel", 10), svg.text(left + 10, top + 16, shown, "note")]
    count = plural(len(stages), "stage")
    parameters, macs = decimal(sum(stage.parameters for stage in stages)), decimal(sum(stage.macs for stage in stages))
    about = f"{count}, {parameters} parameters, {macs} multiply-accumulates an image"
    numbers = "  ·  ".join((count, parameters, macs))
    return svg.group(
        pieces, "group", data_name=name, data_about=about, data_numbers=numbers, data_members=" ".join(map(str, members))
    )
