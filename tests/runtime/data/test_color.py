"""Shifts of colours along principal components (Krizhevsky et al. 2012, 4.1)."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

import netdef
import runtime
from netdef import NetdefError
from runtime.data import open_source
from runtime.data.color import IMAGENET_VALUES, IMAGENET_VECTORS, NONE, color_shift
from runtime.data.draws import COLOR, Draws
from runtime.data.settings import settings_of

PHOTOS = 'source: "builtin:photos" batch_size: 4'
OWN = "color_eigenvalue: [3, 2, 1] color_eigenvector: [1, 0, 0, 0, 0.6, 0.8, 0, -0.8, 0.6]"


def shifts_of(layer, count: int, seed: int = 1) -> np.ndarray:
    """(count, 3) as float64."""
    settings, draws = settings_of(layer), Draws(seed, layer.name)
    return np.array([color_shift(settings.colors, draws, position) for position in range(count)])


def test_the_shift_is_the_papers_formula(image_layer):
    """[p1 p2 p3] [a1 l1, a2 l2, a3 l3], the normal numbers from the words by Box and Muller's formula, in float64."""
    layer = image_layer(f"{PHOTOS} transform_param {{ color_shift: 0.25 {OWN} }}", "train")
    words = np.array([Draws(1, "data").words(COLOR, position) for position in range(50)], np.float64)
    radius, angle = np.sqrt(-2 * np.log((words[:, 0::2] + 1) / 2**32)), 2 * np.pi * words[:, 1::2] / 2**32
    normal = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 2).reshape(50, 4)[:, :3]
    vectors = np.array([[1, 0, 0], [0, 0.6, 0.8], [0, -0.8, 0.6]])
    np.testing.assert_allclose(shifts_of(layer, 50), (0.25 * normal * [3, 2, 1]) @ vectors, rtol=1e-6, atol=1e-7)


def test_the_amounts_are_independent_and_normal(image_layer):
    """Of 20000 images: means, variances and correlations, and how often one, two and three deviations are passed."""
    amounts = shifts_of(image_layer(f"{PHOTOS} transform_param {{ color_shift: 0.1 {OWN} }}", "train"), 20000)
    vectors = np.array([[1, 0, 0], [0, 0.6, 0.8], [0, -0.8, 0.6]])
    normal = amounts @ vectors.T / [3, 2, 1] / 0.1
    np.testing.assert_allclose(normal.mean(0), 0, atol=4 / sqrt(20000))
    np.testing.assert_allclose(np.cov(normal.T), np.eye(3), atol=0.04)
    np.testing.assert_allclose((np.abs(normal[:, :, None]) > [1, 2, 3]).mean(0), [[0.3173, 0.0455, 0.0027]] * 3, atol=0.012)
    assert abs(np.corrcoef(normal[:-1, 0], normal[1:, 0])[0, 1]) < 0.03  # nor do neighbours know of each other


def test_imagenets_components_by_default(image_layer):
    """Orthonormal, and on the diagonal of grey for nine tenths: the covariance that they are of is ImageNet's, deviation 0.28."""
    vectors = np.array(IMAGENET_VECTORS)
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(3), atol=1e-3)
    covariance = vectors.T @ np.diag(IMAGENET_VALUES) @ vectors / 255
    np.testing.assert_allclose(np.sqrt(np.diag(covariance)), 0.28, atol=0.01)
    layer = image_layer(f"{PHOTOS} transform_param {{ color_shift: 0.1 }}", "train")
    expected = np.array(IMAGENET_VALUES)[:, None] * vectors * 0.1
    np.testing.assert_allclose(settings_of(layer).colors, expected, rtol=1e-6)


def test_another_draw_for_every_seed_layer_and_use(image_layer):
    layer = image_layer(f"{PHOTOS} transform_param {{ color_shift: 0.1 }}", "train")
    shifts = np.concatenate([shifts_of(layer, 100), shifts_of(layer, 100, seed=2)])
    assert len({tuple(shift) for shift in shifts}) == 200
    components = settings_of(layer).colors
    assert color_shift(components, Draws(1, "other"), 0) != color_shift(components, Draws(1, "data"), 0)
    assert color_shift(components, Draws(1, "data"), 10**12) == color_shift(components, Draws(1, "data"), 10**12)


@pytest.mark.parametrize(("body", "phase"), [("", "train"), ("color_shift: 0", "train"), ("color_shift: 0.1", "test")])
def test_no_shift_unless_asked_for_and_none_in_testing(image_layer, body, phase):
    layer = image_layer(f"{PHOTOS} transform_param {{ crop_size: 8 {body} }}", phase)
    assert settings_of(layer).colors == () and color_shift((), Draws(1, "data"), 0) == NONE
    with open_source(layer, seed=1) as source:
        assert not source.next().shifts.any()


NET = """
layer data: ImageData -> data, label { source: "builtin:photos" batch_size: 6 transform_param { %s } }
layer quiet: Silence(label)
"""


def test_every_pixel_of_a_channel_gains_the_same():
    """The net's input with and without, and the shifts that the source says."""
    common, blobs = "crop_size: 60 mirror: true scale: 0.5 mean_value: [104, 117, 123]", []
    for more in ("", "color_shift: 0.1"):
        net = netdef.parse(NET % f"{common} {more}", phase="train")
        with runtime.compile(net, backward=False, keep="all", seed=3) as exe:
            exe.forward()
            blobs.append(exe.blob("data"))
            with open_source(exe.net.layer("data"), 3) as source:
                shifts = source.next().shifts
    gained = (blobs[1] - blobs[0]).reshape(6, 3, -1)
    np.testing.assert_allclose(gained, np.broadcast_to(0.5 * shifts[:, :, None], gained.shape), atol=2e-5)
    assert 0.1 < np.abs(gained).mean() < 5


def test_the_program_is_the_same_without_it():
    texts = []
    for more in ("", "color_shift: 0", "color_shift: 0.1"):
        with runtime.compile(netdef.parse(NET % f"crop_size: 8 {more}", phase="train"), backward=False) as exe:
            texts.append(exe.program.text())
    assert texts[0] == texts[1] and "shift" not in texts[0]
    assert "image_transform_shifted %data.images %data.offsets %data.mirrors %data.shifts" in texts[2]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("color_shift: -0.1", "color_shift is a standard deviation: 0 or more"),
        ("color_shift: nan", "color_shift is a standard deviation"),
        ("color_shift: 0.1 force_gray: true", "color_shift is for images of 3 channels, not 1"),
        ("color_shift: 0.1 color_eigenvalue: [1, 2]", "color_eigenvalue has 2 values, not 3"),
        (f"color_shift: 0.1 {OWN} color_eigenvector: 1", "color_eigenvector has 10 values, not 9"),
        ("color_shift: 0.1 color_eigenvalue: [1, 2, 3]", "is given without the other\n(?s:.*)give both color_eigenvalue"),
    ],
)
def test_errors_point_at_their_field(image_layer, body, words):
    with pytest.raises(NetdefError, match=words) as error:
        image_layer(f"{PHOTOS} transform_param {{ crop_size: 8 {body} }}", "train")
    assert ":1:" in str(error.value)
