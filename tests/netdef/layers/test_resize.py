"""Images of another size."""

import pytest

from tests.netdef.layers.one_layer import complaint, shape_of

X = (1, 8, 9, 7)


@pytest.mark.parametrize(
    ("settings", "size"),
    [
        ("", (18, 14)),
        ("scale: 3", (27, 21)),
        ("scale_h: 1 scale_w: 2", (9, 14)),
        ("pad_out_h: true", (17, 14)),
        ("upsample_h: 17 upsample_w: 13", (17, 13)),
    ],
)
def test_upsample(settings, size):
    assert shape_of(f"layer u: Upsample(x0, x1) {{ {settings} }}", X, X) == (1, 8, *size)


def test_upsample_of_yolo():
    assert shape_of("layer u: Upsample(x0) { scale: 3 }", X) == (1, 8, 27, 21)
    said = complaint("layer u: Upsample(x0) { upsample_h: 17 upsample_w: 13 }", X)
    assert "upsample_h is for numbers with their indices, a second bottom" in said


def test_upsample_that_does_not_fit():
    assert "must have one index for each number" in complaint("layer u: Upsample(x0, x1)", X, (1, 8, 9, 6))
    assert "scale_h and scale_w belong together" in complaint("layer u: Upsample(x0, x1) { scale_h: 2 }", X, X)


@pytest.mark.parametrize(
    ("settings", "size"),
    [
        ("zoom_factor: 8", (65, 49)),
        ("shrink_factor: 4", (3, 2)),
        ("shrink_factor: 4 zoom_factor: 2", (5, 3)),
        ("height: 30 width: 20", (30, 20)),
        ("height: 30 width: 20 zoom_factor: 8", (65, 49)),
        ("pad_beg: -1 pad_end: -1 zoom_factor: 2", (13, 9)),
    ],
)
def test_interp(settings, size):
    assert shape_of(f"layer i: Interp(x0) {{ {settings} }}", X) == (1, 8, *size)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("", "the size is missing"),
        ("pad_beg: 1 zoom_factor: 2", "pad_beg 1 adds pixels"),
        ("pad_beg: -9 zoom_factor: 2", "leave nothing of x0"),
        ("zoom_factor: 0", "zoom_factor must be at least 1"),
    ],
)
def test_interp_that_does_not_fit(settings, expected):
    assert expected in complaint(f"layer i: Interp(x0) {{ {settings} }}", X)
