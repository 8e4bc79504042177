"""Where boxes go."""

import sys
from itertools import pairwise

import pytest

import netdef
from netdef import NetdefError
from netdef.cli.draw import spread
from netdef.draw.layout import Box, Link, arrange, columns_in_order, in_given_order
from netdef.draw.stages import drawing_of

BOX = Box(100, 40)


def chain(*names):
    return [Link(a, b) for a, b in pairwise(names)]


def test_a_chain_goes_straight_down_or_right():
    for down in (True, False):
        layout = arrange([BOX] * 4, chain(0, 1, 2, 3), down, 20, 10)
        along, across = (1, 0) if down else (0, 1)
        distance = 40 + 20 if down else 100 + 20
        assert [position[along] for position in layout.positions] == [0, distance, 2 * distance, 3 * distance]
        assert {position[across] for position in layout.positions} == {0}
        assert layout.routes[0][0] == ((50, 40) if down else (100, 20))


def test_branches_keep_the_order_of_the_file():
    links = [*chain(0, 1, 2, 7), *chain(0, 3, 4, 7), *chain(0, 5, 7), *chain(0, 6, 7)]
    layout = arrange([BOX] * 8, links, True, 20, 10)
    assert sorted((1, 3, 5, 6), key=lambda box: layout.positions[box][0]) == [1, 3, 5, 6]
    assert layout.positions[1][0] == layout.positions[2][0]


def test_only_straight_branches_between_the_same_two_are_swapped():
    boxes, links = [BOX] * 4, [*chain(0, 1, 3), *chain(0, 2, 3)]
    assert in_given_order(boxes, links, [(0, 0), (5, 1), (-5, 1), (0, 2)], 0) == [(0, 0), (-5, 1), (5, 1), (0, 2)]
    assert in_given_order(boxes, links, [(0, 0), (1, 5), (1, -5), (2, 0)], 1) == [(0, 0), (1, -5), (1, 5), (2, 0)]
    bent = [*chain(0, 1, 2, 4), *chain(0, 3, 4)]
    positions = [(0, 0), (5, 1), (6, 2), (-5, 1), (0, 3)]
    assert in_given_order([BOX] * 5, bent, positions, 0) == positions


def overlapping(boxes, positions):
    rooms = [(x, y, x + box.width, y + box.height) for box, (x, y) in zip(boxes, positions, strict=True)]
    for index, (left, top, right, bottom) in enumerate(rooms):
        for other in rooms[index + 1 :]:
            if left < other[2] and other[0] < right and top < other[3] and other[1] < bottom:
                yield index, rooms.index(other)


def test_nothing_of_googlenet_overlaps_and_it_is_the_same_each_time():
    drawing = drawing_of(netdef.load("googlenet", phase="train"))
    number = {stage: index for index, stage in enumerate(drawing.stages)}
    links = [Link(number[wire.source], number[wire.target]) for wire in drawing.wires]
    boxes = [Box(228, 60)] * len(drawing.stages)
    layout = arrange(boxes, links, True, 46, 26)
    assert not list(overlapping(boxes, layout.positions))
    assert arrange(boxes, links, True, 46, 26) == layout
    branches = [[f"inception_{m}/{b}" for b in ("1x1", "3x3", "5x5", "pool_proj")] for m in ("3a", "4b", "5b")]
    positions = {stage.name: layout.positions[index] for stage, index in number.items()}
    for names in branches:
        assert sorted(names, key=lambda name: positions[name][0]) == names
    for x, y in (point for route in layout.routes for point in route):
        inside = (n for n, (left, top) in enumerate(layout.positions) if left < x < left + 228 and top < y < top + 60)
        assert not list(inside)


def test_columns_are_side_by_side():
    boxes = [Box(100, 40, column) for column in (0, 0, 1, 1, 0)]
    links = [Link(0, 1), Link(0, 2), Link(2, 3), Link(1, 3), Link(3, 4)]
    layout = arrange(boxes, links, True, 30, 30)
    left = [x for (x, _), box in zip(layout.positions, boxes, strict=True) if box.column == 0]
    right = [x for (x, _), box in zip(layout.positions, boxes, strict=True) if box.column == 1]
    assert max(left) + 100 <= min(right)


def test_columns_follow_one_another():
    boxes = [Box(10, 4, 1), Box(10, 4, 0), Box(20, 4, 0), Box(10, 4, 2)]
    centres = [(5, 0), (30, 0), (30, 8), (60, 0)]  # column 1 from 0 to 10, 0 from 20 to 40, 2 from 55 on
    assert columns_in_order(boxes, centres, 0) == [(35, 0), (10, 0), (10, 8), (60, 0)]
    assert columns_in_order(boxes[1:], centres[1:], 0) == centres[1:]
    text = "layer data: Input { shape { dim: [8, 3, 9, 9] } }\nlayer c: Convolution(data) { num_output: 4 kernel_size: 3 }\n"
    net, names = spread(netdef.parse(text), "4", "batch")
    drawing = drawing_of(net, net)
    links = [Link(0, 4), Link(1, 5), Link(2, 6), Link(3, 7)]
    positions = arrange([Box(50, 20, stage.device) for stage in drawing.stages], links, True, 20, 20).positions
    across = [min(x for (x, _), s in zip(positions, drawing.stages, strict=True) if s.device == d) for d in range(4)]
    assert len(names) == 4
    assert across == sorted(across)


def test_without_the_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "graphlay", None)
    with pytest.raises(NetdefError, match=r"needs the library graphlay(.|\n)*pip install .*graphlay"):
        arrange([BOX], [], True, 20, 10)
