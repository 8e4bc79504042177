"""Blocks of a net, and which repeat."""

import netdef
from netdef.graph.blocks import blocks, repeats, stage_numbers


def shape_of(name):
    """(times, blocks, layers) of what repeats or branches."""
    found = repeats(blocks(netdef.load(name)))
    return [(r.count, len(r.blocks), sum(len(b.layers) for b in r.blocks)) for r in found if r.count > 1 or r.blocks[0].branches]


def test_residual_blocks():
    net = netdef.load("resnet50")
    assert shape_of("resnet50") == [(1, 1, 16), (2, 1, 13), (1, 1, 16), (3, 1, 13), (1, 1, 16), (5, 1, 13), (1, 1, 16), (2, 1, 13)]
    found = blocks(net)
    assert {block.noun for block in found if block.branches} == {"bottleneck"}
    assert sum(len(block.layers) for block in found) == len(net.layers)
    assert [layer for block in found for layer in block.layers] == list(net.layers)
    assert stage_numbers(net)[14, 14] == 4


def test_several_layers_may_repeat_together():
    assert (5, 2, 8) in shape_of("mobilenet")  # depthwise and pointwise convolutions


def test_modules_of_other_sizes_do_not_repeat():
    assert all(count == 1 for count, *_ in shape_of("googlenet"))
    assert {block.noun for block in blocks(netdef.load("resnet18")) if block.branches} == {"residual block"}


def test_labels_do_not_hold_blocks_together():
    assert max(len(block.layers) for block in blocks(netdef.load("alexnet", "train"))) <= 3
