"""Random sizes before the crop, as Intel's and NVIDIA's Caffe have them."""

import numpy as np
import pytest
from PIL import Image
from PIL.Image import Resampling

from netdef import NetdefError
from runtime.data import open_source
from runtime.data.draws import SIZE, Draws
from runtime.data.random_size import random_size
from runtime.data.settings import image_size
from runtime.data.transform import resampled

DRAWS = Draws(5, "data")
COUNT = 400


def sizes(image_layer, transform, size):
    layer = image_layer(f'source: "list.txt" transform_param {{ {transform} }}')
    assert image_size(layer) == layer.crop
    drawn = random_size(layer)
    return [drawn.of(DRAWS, position, size) for position in range(COUNT)]


def test_the_shorter_side_of_intel(image_layer):
    found = sizes(image_layer, "crop_size: 20 random_resize_param { min_size: 30 max_size: 45 }", (60, 100))
    assert {height for (height, _), _ in found} == set(range(30, 46))
    assert all(width == 100 * height // 60 for (height, width), _ in found)
    assert {how for _, how in found} == {Resampling.BILINEAR}
    own = sizes(image_layer, "crop_size: 20 random_resize_param { }", (44, 40))
    assert {width for (_, width), _ in own} == set(range(40, 45)) and all(h == 44 * w // 40 for (h, w), _ in own)


def test_ranges_of_nvidia(image_layer):
    def of(text, size, more="allow_upscale: true"):
        return [one for one, _ in sizes(image_layer, f"crop_h: 10 crop_w: 12 {more} {text}", size)]

    sides = of("img_rand_resize_lower: 30 img_rand_resize_upper: 45", (60, 100))
    assert {height for height, _ in sides} == set(range(30, 46))
    assert all(width == int(100 * height / 60 + 0.5) for height, width in sides)
    ratios = of("rand_resize_ratio_lower: 1 rand_resize_ratio_upper: 2", (40, 80))
    assert all(height == 40 for height, _ in ratios) and min(w for _, w in ratios) < 45 and 75 < max(w for _, w in ratios) <= 80
    square = of("rand_resize_ratio_lower: 1.5 rand_resize_ratio_upper: 2", (40, 40))
    assert {height == 40 for height, _ in square} == {True, False} and all(min(one) == 40 for one in square)
    tall = of("vertical_stretch_lower: 1 vertical_stretch_upper: 1.5", (40, 60))
    assert {width for _, width in tall} == {60} and min(h for h, _ in tall) < 43 and 57 < max(h for h, _ in tall) <= 60
    wide = of("horizontal_stretch_lower: 0.1 horizontal_stretch_upper: 1", (40, 60))
    assert {height for height, _ in wide} == {40} and min(w for _, w in wide) == 12  # the crop's
    kept = of("vertical_stretch_lower: 0.5 vertical_stretch_upper: 1.5", (40, 60), "allow_upscale: false")
    assert max(height for height, _ in kept) == 40


def test_how_pixels_are_found(image_layer):
    text = "crop_size: 10 vertical_stretch_lower: 0.5 vertical_stretch_upper: 1.5 allow_upscale: true"
    found = sizes(image_layer, text, (40, 60))
    assert all(how == (Resampling.NEAREST if height <= 40 else Resampling.BICUBIC) for (height, _), how in found)
    text += " interpolation_algo_down: INTER_AREA interpolation_algo_up: INTER_LINEAR"
    found = sizes(image_layer, text, (40, 60))
    assert all(how == (Resampling.BOX if height <= 40 else Resampling.BILINEAR) for (height, _), how in found)


@pytest.mark.parametrize(
    "transform",
    ["crop_size: 12 random_resize_param { min_size: 20 max_size: 30 }",
     "crop_h: 9 crop_w: 14 img_rand_resize_lower: 15 img_rand_resize_upper: 18 interpolation_algo_down: INTER_AREA"],
)  # fmt: skip
@pytest.mark.parametrize("phase", ["train", "test"])
def test_what_a_net_gets(transform, phase, image_layer, write_image, write_list):
    """The image brought to its size, and of that the crop; the same after a seek."""
    path = write_list(f"{write_image('a.png', 40, 50)} 3")
    layer = image_layer(f'source: "{path}" batch_size: 3 transform_param {{ {transform} }}', phase=phase)
    drawn, image = random_size(layer), Image.open(path.replace("list.txt", "a.png"))
    with open_source(layer, 5, workers=2) as source:
        assert source.image_shape == (*layer.crop, 3)
        batches = [source.next() for _ in range(2)]
        images = np.concatenate([batch.images for batch in batches])
        for position, found in enumerate(images):
            (height, width), how = drawn.of(Draws(5, "data"), position, (40, 50))
            whole = np.asarray(image.resize((width, height), how))[:, :, ::-1]
            places = [(y, x) for y in range(height - layer.crop[0] + 1) for x in range(width - layer.crop[1] + 1)]
            matching = [(y, x) for y, x in places if (whole[y : y + layer.crop[0], x : x + layer.crop[1]] == found).all()]
            centre = ((height - layer.crop[0]) // 2, (width - layer.crop[1]) // 2)
            assert matching and (phase == "train" or centre in matching)
        for batch in batches:
            source.release(batch)
        source.seek({"sample": 3})
        np.testing.assert_array_equal(source.next().images, images[3:])


@pytest.mark.parametrize(
    ("transform", "said"),
    [
        ("random_resize_param { }", "random_resize_param needs crop_size"),
        ("img_rand_resize_lower: 2 img_rand_resize_upper: 3", "img_rand_resize_lower needs crop_size"),
        ("crop_size: 9 random_resize_param { min_size: 9 max_size: 8 }", "min_size 9 is larger than max_size 8"),
        ("crop_size: 9 img_rand_resize_lower: 9", "img_rand_resize_lower 9 and img_rand_resize_upper 0 are no range"),
        ("crop_size: 9 rand_resize_ratio_lower: 0.5 rand_resize_ratio_upper: 2", "no range"),
        ("crop_size: 9 vertical_stretch_lower: 0", "no range"),
        ("crop_size: 9 horizontal_stretch_upper: nan", "no range"),
        ("crop_size: 9 random_resize_param { } img_rand_resize_lower: 9", "exclude each other"),
        ("crop_size: 9 random_resize_param { } random_aspect_ratio_param { }", "exclude each other"),
        ("crop_h: 9", "crop_h is given without crop_w"),
        ("crop_w: 9", "crop_w is given without crop_h"),
        ("crop_h: 9 crop_w: 8 crop_size: 9", "crop_size and crop_h exclude each other"),
        ("crop_h: 300 crop_w: 8", "a crop of 300 x 8 is larger than the images, 256 x 256"),
    ],
)
def test_sizes_that_cannot_be(image_layer, transform, said):
    with pytest.raises(NetdefError, match=said):
        image_layer(f'source: "builtin:photos" transform_param {{ {transform} }}')


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_each_channel_is_resized_by_itself(channels, dtype):
    """A database has images of any channels, of bytes or of numbers."""
    image = (np.random.default_rng(0).random((9, 7, channels)) * 200).astype(dtype)
    found = resampled(image, (5, 6), (0.5, 1.0, 6.0, 9.0))
    assert found.shape == (5, 6, channels) and found.dtype == dtype
    for channel in range(channels):
        np.testing.assert_array_equal(
            found[:, :, channel : channel + 1], resampled(image[:, :, [channel]], (5, 6), (0.5, 1.0, 6.0, 9.0))
        )


def test_sizes_are_drawn_apart_from_crops():
    assert DRAWS.words(SIZE, 3) != DRAWS.words(SIZE, 4)
