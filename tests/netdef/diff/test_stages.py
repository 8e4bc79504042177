"""Repeated blocks, renames and runs of layers, each in a line."""

import pytest

import netdef
from netdef.diff import compare, compare_nets, findings, render
from netdef.diff.renames import pattern, renamed

STEM = """
layer data: Input {{ shape {{ dim: [1, 3, 32, 32] }} }}
layer conv1: Convolution(data) {{ num_output: 16 kernel_size: 3 pad: 1 }}
layer relu1: ReLU(conv1) -> conv1
layer {name}0: Convolution(conv1) {{ num_output: 8 kernel_size: 1 stride: 2 }}
"""
BLOCK = """
layer {name}{at}a: Convolution({name}{before}) {{ num_output: 4 kernel_size: 1 }}
layer {name}{at}ar: ReLU({name}{at}a) -> {name}{at}a
layer {name}{at}b: Convolution({name}{at}a) {{ num_output: 4 kernel_size: 3 pad: 1 }}
layer {name}{at}br: ReLU({name}{at}b) -> {name}{at}b
layer {name}{at}c: Convolution({name}{at}b) {{ num_output: 8 kernel_size: 1 }}
layer {name}{at}: Eltwise({name}{before}, {name}{at}c)
layer {name}{at}r: ReLU({name}{at}) -> {name}{at}
"""


def residual(count, name="res", more=""):
    blocks = "".join(BLOCK.format(name=name, at=at, before=at - 1) for at in range(1, count + 1))
    return netdef.parse(STEM.format(name=name) + blocks + more)


def found(before, after):
    return {finding.kind: finding for finding in findings(compare_nets(before, after))}


@pytest.mark.slow
def test_resnets_fit_a_screen():
    lines = render(compare("resnet50", "resnet101")).splitlines()
    assert len(lines) <= 40
    assert "  stage 4: 17 bottlenecks more (6 -> 23), of 1024 x 14 x 14 each: res4b1 to res4b17" in lines
    assert any("*3b* -> *3b1*" in line for line in lines)


def test_more_and_fewer_blocks():
    more = found(residual(2), residual(6))["inserted"].lines
    assert more == ["stage 2: 4 bottlenecks more (2 -> 6), of 8 x 16 x 16 each: res3 to res6"]
    fewer = found(residual(6), residual(2))["removed"].lines
    assert fewer == ["stage 2: 4 bottlenecks fewer (6 -> 2), of 8 x 16 x 16 each: res3 to res6"]


def test_what_is_not_of_the_blocks_is_said_too():
    end = "layer drop: Dropout(res6)\nlayer fc: InnerProduct(drop) { num_output: 2 }"
    lines = found(residual(2), residual(6, more=end))["inserted"].lines
    assert lines[0].startswith("stage 2: 4 bottlenecks more (2 -> 6)")
    assert lines[1:] == ["after res6r: drop, fc"]


def test_a_few_layers_are_named_by_where_they_stand():
    text = "layer data: Input { shape { dim: [1, 8] } }\nlayer a: InnerProduct(data) { num_output: 8 }\n"
    text += "layer z: InnerProduct(%s) { num_output: 3 }"
    between = text.replace("\nlayer z", "\nlayer b: Power(a) { scale: 2 }\nlayer r: ReLU(b) -> b\nlayer z") % "b"
    assert found(netdef.parse(text % "a"), netdef.parse(between))["inserted"].lines == ["after a: b, r"]


def test_consequences_are_summed_beyond_ten_layers():
    chain = "layer data: Input { shape { dim: [1, 3, SIDE, SIDE] } }\n" + "".join(
        f"layer c{n}: Convolution({'data' if not n else f'c{n - 1}'}) {{ num_output: 4 kernel_size: 3 pad: 1 }}\n"
        for n in range(12)
    )
    text = render_of(chain)
    assert "12 Convolution" in text and "c7" not in text
    few = "\n".join(chain.splitlines()[:6])
    assert "c3" in render_of(few)


def render_of(text):
    from netdef.diff import difference

    nets = [{"test": netdef.parse(text.replace("SIDE", side))} for side in ("8", "10")]
    return render(difference(*nets, ("a", "b")))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("res3b_branch2a", "res3b1_branch2a", ("*3b*", "*3b1*")),
        ("res3b", "res3b1", ("*3b*", "*3b1*")),
        ("conv1/3x3_s2", "conv1/5x5_s2", ("*3x3*", "*5x5*")),
        ("fc8", "fc8_flickr", ("*", "*_flickr")),
        ("block/fc8", "fc8", ("block/*", "*")),
        ("conv1", "c_1", ("conv1", "c_1")),
    ],
)
def test_patterns_of_names(before, after, expected):
    assert pattern(before, after) == expected


def test_renames_are_listed_by_pattern():
    pairs = [(f"{kind}{old}_x", f"{kind}{new}_x") for old, new in (("2a", "2b1"), ("2b", "2b2")) for kind in ("res", "bn", "scale")]
    assert renamed([*pairs, ("fc", "out")]) == ["*2a* -> *2b1*, *2b* -> *2b2* (3 layers each)", "fc -> out"]
