"""Losses of detectors."""

from tests.netdef.layers.one_layer import complaint, net_of, shape_of

X = (4, 8)


def test_smooth_l1():
    assert shape_of("layer l: SmoothL1Loss(x0, x1) { sigma: 3 }", X, X) == ()
    four = net_of("layer l: SmoothL1Loss(x0, x1, x2, x3)", X, X, (4, 8, 1, 1), X).layer("l")
    assert four.gradient_bottoms == (0, 1)
    assert shape_of("layer l: SmoothL1Loss(x0, x1, x2)", X, X, X) == ()
    assert "x0 (4 x 8) and x1 (4 x 7) differ in shape" in complaint("layer l: SmoothL1Loss(x0, x1)", X, (4, 7))


def test_losses_of_each_region():
    net = net_of("layer l: SmoothL1LossOHEM(x0, x1) -> loss, each { normalization: PRE_FIXED pre_fixed_normalizer: 128 }", X, X)
    assert [top.shape for top in net.layer("l").tops] == [(), (4, 1, 1, 1)]
    net = net_of("layer l: SoftmaxWithLossOHEM(x0, x1) -> loss, p, each", X, (4,))
    assert [top.shape for top in net.layer("l").tops] == [(), X, (4,)]
    assert net.layer("l").normalization == "VALID"


def test_regions_that_stay():
    text = "layer b: BoxAnnotatorOHEM(x0, x1, x2, x3) -> labels, weights { roi_per_img: 2 }"
    net = net_of(text, (4, 5), (4, 1, 1, 1), (4,), (4, 8))
    assert [top.shape for top in net.layer("b").tops] == [(4, 1, 1, 1), (4, 8, 1, 1)]
    assert "must hold one number for each of 4 regions" in complaint(text, (4, 5), (3,), (4,), (4, 8))
    net = net_of(text, (4, 5, 2, 3), (4, 1, 2, 3), (4, 1, 2, 3), (4, 8, 2, 3))
    assert [top.shape for top in net.layer("b").tops] == [(4, 1, 2, 3), (4, 8, 2, 3)]
    assert "or in rows and columns" in complaint(text, (4, 5), (4, 1, 2, 3), (4, 1, 2, 3), (4, 8, 2, 3))
