"""A net spread over devices, from top to bottom: a column for each device, and on what crosses between them its bytes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from netdef.draw import svg
from netdef.draw.layer_cards import HEIGHT, WIDTH, card
from netdef.draw.layout import Box, Link, Point, arrange
from netdef.draw.stages import Drawing
from netdef.draw.theme import text_width
from netdef.draw.words import share
from netdef.language.units import binary

_RANK_GAP, _GAP = 44.0, 80.0
_END = 158.0  # width of losses and results: there are several side by side, and little to say of each
_PAD = 22.0  # from boxes to the edge of their column
_HEAD = 62.0  # a column's name and sums, above its boxes
_TAG = 18.0  # height of a crossing's label
_SPOTS = (0.25, 0.75, 0.5, 0.1, 0.9)  # where on a wire's longest level part a label may be, best first


def device_columns(drawing: Drawing, titles: Sequence[str], devices: Sequence[str]) -> tuple[list[str], float, float]:
    """The elements of the picture, its width and its height.

    Parameters
    ----------
    titles: what each stage shows under the mouse. devices: their names, by number.
    """
    number = {stage: index for index, stage in enumerate(drawing.stages)}
    boxes = [Box(_END if stage.kind in ("loss", "result") else WIDTH, HEIGHT, stage.device) for stage in drawing.stages]
    links = [Link(number[wire.source], number[wire.target]) for wire in drawing.wires]
    layout = arrange(boxes, links, True, _RANK_GAP, _GAP, bundled=False)
    drawn = []
    for device, name in enumerate(devices):
        mine = [(x, x + box.width) for (x, _), box in zip(layout.positions, boxes, strict=True) if box.column == device]
        left, right = min((x for x, _ in mine), default=0.0), max((x for _, x in mine), default=0.0)
        drawn.append(_column(drawing, device, name, left - _PAD, right - left + 2 * _PAD, layout.size[1] + _HEAD + _PAD))
    moved = []
    for link, wire, route in zip(links, drawing.wires, layout.routes, strict=True):
        class_ = "wire crossing" if wire.crosses else "wire"
        moved.append(svg.group([svg.wire(route, class_)], "link", data_from=link.source, data_to=link.target))
    crossings = [(binary(wire.sent), route) for wire, route in zip(drawing.wires, layout.routes, strict=True) if wire.sent]
    moved += [_tag(*tag) for tag in _tags(crossings)]
    for index, (stage, (x, y)) in enumerate(zip(drawing.stages, layout.positions, strict=True)):
        moved.append(card(stage, index, x, y, stage.name, titles[index], boxes[index].width))
    drawn.append(svg.tag("g", "".join(moved), transform=f"translate(0 {_HEAD:g})"))
    body = svg.tag("g", "".join(drawn), transform=f"translate({_PAD:g} 0)")
    return [body], layout.size[0] + 2 * _PAD, layout.size[1] + _HEAD + _PAD


def _column(drawing: Drawing, device: int, name: str, left: float, width: float, height: float) -> str:
    """The panel behind a device's boxes, with its name and its share."""
    sums, received = share(drawing, device)
    return "".join((
        svg.rect(left, 0, width, height, "panel", 12),
        svg.text(left + 16, 22, name, "name"),
        svg.text(left + 16, 38, sums, "note"),
        svg.text(left + 16, 53, received, "note"),
    ))  # fmt: skip


def _tags(crossings: Sequence[tuple[str, list[Point]]]) -> list[tuple[str, float, float, float]]:
    """Text, left, top and width of a label for each wire, on its longest level part and clear of other labels if it can be."""
    placed: list[tuple[str, float, float, float]] = []
    for text, route in crossings:
        (start, height), (end, _) = max(pairwise(route), key=lambda ends: abs(ends[1][0] - ends[0][0]))
        width = text_width(text, 11) + 12
        spots = [min(start, end) + abs(end - start) * spot - width / 2 for spot in _SPOTS]
        clear = (x for x in spots if not any(_meet(x, height, width, other) for other in placed))
        placed.append((text, next(clear, spots[0]), height - _TAG / 2, width))
    return placed


def _meet(left: float, height: float, width: float, other: tuple[str, float, float, float]) -> bool:
    _, x, y, wide = other
    return left < x + wide and x < left + width and abs(y + _TAG / 2 - height) < _TAG


def _tag(text: str, left: float, top: float, width: float) -> str:
    return svg.rect(left, top, width, _TAG, "tag", 9) + svg.text(left + width / 2, top + _TAG / 2 + 4, text, "note middle")
