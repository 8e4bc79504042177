"""Other orders of axes, channels and pixels."""

from tests.netdef.layers.one_layer import complaint, net_of, shape_of

X = (2, 12, 6, 4)


def test_permute():
    assert shape_of("layer p: Permute(x0) { order: [0, 2, 3, 1] }", X) == (2, 6, 4, 12)
    assert net_of("layer p: Permute(x0) { order: 1 }", X).layer("p").order == (1, 0, 2, 3)
    assert "has no axis 4" in complaint("layer p: Permute(x0) { order: [0, 4] }", X)
    assert "axis 2 is named twice" in complaint("layer p: Permute(x0) { order: [2, 2] }", X)


def test_shuffle():
    assert shape_of("layer s: ShuffleChannel(x0) { group: 3 }", X) == X
    assert "5 groups do not divide x0" in complaint("layer s: ShuffleChannel(x0) { group: 5 }", X)


def test_reorg():
    assert shape_of("layer r: Reorg(x0) { stride: 2 }", X) == (2, 48, 3, 2)
    assert shape_of("layer r: Reorg(x0) { stride: 2 reverse: true }", X) == (2, 3, 12, 8)
    assert "stride 3 needs channels that 9 divides" in complaint("layer r: Reorg(x0) { stride: 3 }", X)
