"""Losses and accuracies: labels that fit, weights, normalisation."""

import pytest

from tests.netdef.layers.one_layer import complaint, net_of


def test_a_loss_weighs_one():
    net = net_of("layer op: SoftmaxWithLoss(x0, x1) -> loss, prob { loss_weight: [2, 0] }", (7, 5), (7,))
    assert net.layer("op").loss_weights == (2, 0)
    assert [top.shape for top in net.layer("op").tops] == [(), (7, 5)]
    assert net_of("layer op: SoftmaxWithLoss(x0, x1)", (7, 5), (7,)).layer("op").loss_weights == (1,)
    assert net_of("layer op: EuclideanLoss(x0, x1) { loss_weight: 0.5 }", (7, 5), (7, 5)).layer("op").loss_weights == (0.5,)
    assert net_of("layer op: Softmax(x0)", (7, 5)).layer("op").loss_weights == (0,)
    assert net_of("layer op: Reduction(x0) { loss_weight: 3 }", (7, 5)).layer("op").loss_weights == (3,)


def test_a_loss_may_go_unnamed():
    net = net_of('layer { name: "op" type: "SoftmaxWithLoss" bottom: "x0" bottom: "x1" }', (7, 5), (7,))
    assert [str(top) for top in net.layer("op").tops] == ["op"]
    assert net.outputs == (net.blobs["op"],)
    taken = 'layer a: Softmax(x0) -> op layer { name: "op" type: "SoftmaxWithLoss" bottom: "x0" bottom: "x1" }'
    assert [str(top) for top in net_of(taken, (7, 5), (7,)).outputs] == ["op", "op (automatic)"]


@pytest.mark.parametrize(
    ("type", "body", "normalization"),
    [
        ("SoftmaxWithLoss", "", "VALID"),
        ("SoftmaxWithLoss", "loss_param { normalization: FULL }", "FULL"),
        ("SoftmaxWithLoss", "loss_param { normalize: false }", "BATCH_SIZE"),
        ("SigmoidCrossEntropyLoss", "", "BATCH_SIZE"),
        ("SigmoidCrossEntropyLoss", "loss_param { normalize: true }", "VALID"),
    ],
)
def test_normalization(type, body, normalization):
    labels = (7,) if type == "SoftmaxWithLoss" else (7, 5)
    op = net_of(f"layer op: {type}(x0, x1) {{ {body} }}", (7, 5), labels).layer("op")
    assert op.normalization == normalization
    assert op.ignore_label is None


def test_ignored_labels():
    op = net_of("layer op: SoftmaxWithLoss(x0, x1) { loss_param { ignore_label: 255 } }", (7, 5), (7,)).layer("op")
    assert (op.ignore_label, op.axis) == (255, 1)


@pytest.mark.parametrize(
    ("layer", "shapes", "said"),
    [
        (
            "SoftmaxWithLoss(x0, x1)",
            [(2, 5, 4, 3), (2,)],
            "x0 (2 x 5 x 4 x 3) makes 24 predictions, x1 (2) holds 2 labels | labels of 2 x 1 x 4 x 3 fit",
        ),
        ("SoftmaxWithLoss(x0, x1)", [(7, 5), (6,)], "x0 (7 x 5) and x1 (6) differ in their first dimension"),
        ("EuclideanLoss(x0, x1)", [(7, 5), (7, 4)], "x0 (7 x 5) and x1 (7 x 4) differ in size"),
        ("HingeLoss(x0, x1)", [(7, 5), (7, 5)], "x1 (7 x 5) does not hold one label for each of the 7 samples"),
        (
            "InfogainLoss(x0, x1, x2)",
            [(7, 5), (7,), (4, 4)],
            "x2 (4 x 4) is not the 5 x 5 matrix that 5 classes need",
        ),
        (
            "InfogainLoss(x0, x1)",
            [(7, 5), (7,)],
            "the matrix is missing: give it as a third bottom, or name its file in source",
        ),
        (
            "ContrastiveLoss(x0, x1, x2)",
            [(7, 5), (7, 5), (7, 2)],
            "x2 (7 x 2) must hold one number for each of the 7 pairs",
        ),
        ("Accuracy(x0, x1) { top_k: 0 }", [(7, 5), (7,)], "top_k must be at least 1"),
        ("EuclideanLoss(x0, x1)", [(), ()], "x0 (scalar) must have at least 1 axis"),
        ("EuclideanLoss(x0, x1)", [(7,), ()], "x1 (scalar) must have at least 1 axis"),
        ("Accuracy(x0, x1) { top_k: 6 }", [(7, 5), (7,)], "top_k 6 of only 5 classes in x0"),
        ("Accuracy(x0, x1)", [(7, 5), (6,)], "x0 (7 x 5) makes 7 predictions, x1 (6) holds 6 labels"),
    ],
)
def test_losses_reject_bottoms_that_do_not_fit(layer, shapes, said):
    assert complaint(f"layer op: {layer}", *shapes) == f"{layer.partition('(')[0]} op: {said}"


def test_losses_of_vectors():
    assert net_of("layer op: EuclideanLoss(x0, x1)", (7,), (7,)).layer("op").tops[0].shape == ()
    op = net_of("layer op: HingeLoss(x0, x1) { norm: L2 }", (7, 5), (7, 1)).layer("op")
    assert op.norm == "L2"


def test_accuracy():
    op = net_of("layer op: Accuracy(x0, x1) -> all, each { top_k: 5 axis: -1 }", (7, 5), (7,)).layer("op")
    assert [top.shape for top in op.tops] == [(), (5,)]
    assert (op.top_k, op.axis, op.ignore_label) == (5, 1, None)
    assert op.loss_weights == (0, 0)
