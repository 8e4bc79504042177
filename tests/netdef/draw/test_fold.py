"""Repeated blocks that are drawn once, and long drawings in columns."""

import re

import pytest

import netdef
from netdef.draw import render
from netdef.draw.fold import units_of
from netdef.draw.stages import drawing_of
from netdef.draw.words import facts


def folded(name, phase="test"):
    return units_of(drawing_of(netdef.load(name, phase)))


def svg(net, style="auto"):
    return render(net, "svg", style).decode()


def size(picture):
    return tuple(map(float, re.search(r'width="([\d.]+)" height="([\d.]+)"', picture).groups()))


def test_resnets_repeat():
    drawing, units = folded("resnet50")
    assert [unit.title for unit in units if unit.name] == [
        "res2a", "res2b × 2", "res3a", "res3b × 3", "res4a", "res4b × 5", "res5a", "res5b × 2",
    ]  # fmt: skip
    assert sum(stage.parameters * (1 + len(stage.same)) for stage in drawing.stages) == drawing.net.totals.parameters
    hidden = {one.name for stage in drawing.stages for one in stage.same}
    assert "res4f_branch2b" in hidden and "res4b_branch2b" not in hidden
    ends = {(wire.source.name, wire.target.name) for wire in drawing.wires}
    assert {("res4a", "res4b_branch2a"), ("res4a", "res4b"), ("res4b", "res5a_branch1")} <= ends
    assert ("res4b", "res4b_branch2a") not in ends  # from one time to the next
    assert not hidden & {name for pair in ends for name in pair}


@pytest.mark.parametrize("name", ["resnet50", "googlenet", "densenet121", "squeezenet_v1.1"])
def test_pictures_are_no_strips(name):
    """No side is more than four times the other, where one column was up to 30 times as high as wide."""
    width, height = size(svg(netdef.load(name)))
    assert max(width, height) < 4 * min(width, height)


def test_what_repeats_is_counted_and_listed():
    net = netdef.load("resnet50")
    picture = svg(net)
    assert "res4b × 5" in picture and "res4f" not in re.sub("<title>.*?</title>", "", picture, flags=re.DOTALL)
    assert "what repeats is drawn once" in picture
    drawing, _ = folded("resnet50")
    (rows,) = [sections[0]["rows"] for sections in facts(drawing.net, drawing.stages) if sections[0]["name"] == "res5b_branch2c"]
    assert ("stands for", "res5c_branch2c: Convolution") in rows
    whole = svg(net, "cards")
    assert "res4f_branch2b" in whole and size(whole)[1] > 4 * size(whole)[0]


def test_boxes_of_columns_do_not_overlap():
    picture = svg(netdef.load("resnet101"))
    cards = re.findall(r'<rect x="([\d.-]+)" y="([\d.-]+)" width="([\d.]+)" height="60" rx="7" class="card"', picture)
    corners = [tuple(map(float, card)) for card in cards]
    assert len(corners) > 40
    for index, (x, y, width) in enumerate(corners):
        assert not any(abs(x - a) < width and abs(y - b) < 60 for a, b, _ in corners[:index])


TEXT = """
layer data: Input { shape { dim: [1, 4, 8, 8] } }
layer a: Convolution(data) { num_output: 4 kernel_size: 3 param { name: "w" } }
layer b: Convolution(data) { num_output: 4 kernel_size: 3 param { name: "w" } }
layer sum: Eltwise(a, b)
layer less: Eltwise(a, b) { coeff: [1, -1] }
layer most: Eltwise(sum, less) { operation: MAX }
layer product: Eltwise(sum, less) { operation: PROD }
layer cut: Crop(data, most) { axis: 2 offset: 1 }
layer end: Silence(cut, product)
"""


def test_operations_references_and_shared_weights():
    picture = svg(netdef.parse(TEXT))
    for text in (
        "Eltwise sum<", "Eltwise sum, coeff 1, -1<", "Eltwise largest<", "Eltwise product<", "Crop as most, from 1<",
        "Convolution 3 × 3, weights of a<",
    ):  # fmt: skip
        assert text in picture
