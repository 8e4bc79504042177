"""Local response normalisation."""

import pytest

from tests.netdef.layers.one_layer import complaint, net_of

X = (2, 6, 9, 8)


def test_values():
    op = net_of("layer op: LRN(x0) { local_size: 5 alpha: 5e-4 beta: 0.75 k: 2 group: 2 }", X).layer("op")
    assert (op.size, op.beta, op.k, op.group, op.within_channel) == (5, 0.75, 2.0, 2, False)
    assert op.alpha == pytest.approx(5e-4)
    assert op.tops[0].shape == X
    assert op.macs == (5 + 3) * 6 * 9 * 8
    assert op.channel_groups == 2


def test_defaults_are_those_of_caffe():
    op = net_of("layer op: LRN(x0)", X).layer("op")
    assert (op.size, op.alpha, op.beta, op.k, op.group) == (5, 1.0, 0.75, 1.0, 1)


def test_within_channels():
    op = net_of("layer op: LRN(x0) { norm_region: WITHIN_CHANNEL local_size: 3 }", X).layer("op")
    assert op.within_channel
    assert op.channel_groups is None
    assert op.macs == (9 + 3) * 6 * 9 * 8


@pytest.mark.parametrize(
    ("body", "shape", "said"),
    [
        ("local_size: 4", X, "LRN op: local_size 4 must be odd, to be centred on a channel"),
        ("group: 4", X, "LRN op: group 4 does not divide the 6 channels of x0"),
        ("group: 0", X, "LRN op: group must be at least 1"),
        (
            "group: 2 norm_region: WITHIN_CHANNEL",
            X,
            "LRN op: group is for normalisation across channels; this one is within each channel",
        ),
        ("", (2, 6), "LRN op: expected images (N x C x H x W), but x0 is 2 x 6"),
    ],
)
def test_lrn_rejects_invalid_settings(body, shape, said):
    assert complaint(f"layer op: LRN(x0) {{ {body} }}", shape) == said
