"""Boxes around objects: shapes, and what does not fit (numbers from SSD's and Faster R-CNN's own nets)."""

import pytest

from tests.netdef.layers.one_layer import complaint, net_of, shape_of

PRIORS = "min_size: 60 max_size: 111 aspect_ratio: 2 aspect_ratio: 3 step: 16"
FEATURES, IMAGE = (1, 512, 19, 19), (1, 3, 300, 300)


def test_prior_boxes_of_ssd300():
    prior = net_of(f"layer p: PriorBox(x0, x1) {{ {PRIORS} }}", FEATURES, IMAGE).layer("p")
    assert prior.ratios == pytest.approx((1, 2, 1 / 2, 3, 1 / 3))
    assert prior.boxes == 6
    assert prior.tops[0].shape == (1, 2, 19 * 19 * 6 * 4)
    assert prior.steps(FEATURES, IMAGE) == (16, 16)
    assert prior.image_size(IMAGE) == (300, 300)
    assert prior.variances == pytest.approx((0.1,))


def test_a_ratio_is_taken_once_and_only_as_it_is_without_flip():
    text = "layer p: PriorBox(x0, x1) { min_size: [8, 9] aspect_ratio: [2, 2, 1] flip: false }"
    assert net_of(text, FEATURES, IMAGE).layer("p").boxes == 4


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("flip: false", "min_size, the side of a box in pixels, is missing"),
        ("min_size: 60 max_size: 50", "max_size 50 must be above min_size 60"),
        ("min_size: [60, 70] max_size: 80", "1 max_size for 2 min_size"),
        ("min_size: 60 variance: [0.1, 0.2]", "2 variances: give one, or four"),
        ("min_size: 60 aspect_ratio: 0", "aspect_ratio 0 must be positive"),
        ("min_size: 60 step: 8 step_h: 8", "step excludes step_h and step_w"),
        ("min_size: 60 img_h: 8", "must be positive: img_h with img_w"),
    ],
)
def test_prior_boxes_that_are_none(settings, expected):
    assert expected in complaint(f"layer p: PriorBox(x0, x1) {{ {settings} }}", FEATURES, IMAGE)


OUTPUT = "num_classes: 21 code_type: CENTER_SIZE nms_param { nms_threshold: 0.45 top_k: 400 } keep_top_k: 200"


def test_detections():
    shapes = (2, 8732 * 4), (2, 8732 * 21), (1, 2, 8732 * 4)
    assert shape_of(f"layer d: DetectionOutput(x0, x1, x2) {{ {OUTPUT} }}", *shapes) == (1, 1, 400, 7)
    small = (1, 8), (1, 6), (1, 2, 8)
    assert shape_of("layer d: DetectionOutput(x0, x1, x2) { num_classes: 3 }", *small) == (1, 1, 4, 7)
    assert shape_of("layer e: DetectionEvaluate(x0, x1) { num_classes: 21 }", (1, 1, 30, 7), (1, 1, 9, 8)) == (1, 1, 50, 5)


def test_predictions_that_do_not_fit_the_boxes():
    text = "layer d: DetectionOutput(x0, x1, x2) { num_classes: 3 }"
    assert "x0 has 12 numbers an image; 2 boxes x 1 x 4 are 8" in complaint(text, (1, 12), (1, 6), (1, 2, 8))
    assert "x1 has 5 numbers an image; 2 boxes x 3 are 6" in complaint(text, (1, 8), (1, 5), (1, 2, 8))
    assert "does not come from PriorBox" in complaint(text, (1, 8), (1, 6), (1, 1, 8))
    assert "num_classes, with the background, is missing" in complaint(
        "layer d: DetectionOutput(x0, x1, x2)", (1, 8), (1, 6), (1, 2, 8)
    )


def test_multibox_loss():
    text = "layer l: MultiBoxLoss(x0, x1, x2, x3) { num_classes: 3 }"
    net = net_of(text, (1, 8), (1, 6), (1, 2, 8), (1, 1, 5, 8))
    assert net.layer("l").tops[0].shape == ()
    assert net.layer("l").gradient_bottoms == (0, 1)
    assert "must hold 8 numbers a box" in complaint(text, (1, 8), (1, 6), (1, 2, 8), (1, 1, 5, 7))


def test_proposals():
    text = "layer p: Proposal(x0, x1, x2) -> rois, scores { post_nms_topn: 100 }"
    net = net_of(text, (1, 18, 14, 14), (1, 36, 14, 14), (1, 3))
    assert [top.shape for top in net.layer("p").tops] == [(100, 5), (100, 1)]
    assert "x0 has 12 channels; 9 anchors need 18" in complaint(text, (1, 12, 14, 14), (1, 36, 14, 14), (1, 3))
    assert "differ in images, height or width" in complaint(text, (1, 18, 14, 14), (1, 36, 14, 13), (1, 3))
