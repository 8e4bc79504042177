"""Samples from image files: decoding, sizes, order."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netdef import NetdefError
from runtime.data.decoding import read_image
from runtime.data.draws import Draws
from runtime.data.files import FileSamples
from runtime.data.listing import Listing
from runtime.data.settings import Resize, Settings
from runtime.data.source import UnreadableError
from runtime.data.transform import resized

PLAIN = Settings("data", False, "list", (4, 6), resize=Resize(4, 6))


def samples(paths, settings=PLAIN, seed=1):
    return FileSamples(Listing("the list", list(paths), list(range(len(paths)))), settings, Draws(seed, "data"))


def pixels(sample):
    return np.asarray(sample.image)


def test_a_file_is_its_pixels_and_label(write_image):
    stream = samples([write_image("a.png", 4, 6, 1), write_image("b.bmp", 4, 6, (10, 20, 30))])
    one, two = stream.load(0), stream.load(3)
    np.testing.assert_array_equal(pixels(one), np.random.default_rng(1).integers(0, 256, (4, 6, 3), np.uint8))
    assert (pixels(two) == [30, 20, 10]).all()
    assert (one.label, two.label) == (0, 1)


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "1", "CMYK", "I;16"])
def test_every_kind_of_image_is_brought_to_three_channels_or_one(tmp_path, mode):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (5, 7), np.uint8))
    if mode == "I;16":
        image = Image.fromarray(np.arange(35, dtype=np.uint16).reshape(5, 7))
    image = image if mode == "I;16" else image.convert(mode)
    path = str(tmp_path / ("a.tif" if mode in ("CMYK", "I;16") else "a.png"))
    image.save(path)
    for wanted in ("RGB", "L"):
        assert read_image(path, wanted).mode == wanted
        assert read_image(path, wanted).size == (7, 5)


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_of_sixteen_bits_the_upper_eight_count(tmp_path, ending):
    values = np.array([[0, 255, 256], [40000, 65279, 65535]], np.uint16)
    Image.fromarray(values).save(tmp_path / f"a.{ending}")
    np.testing.assert_array_equal(np.asarray(read_image(str(tmp_path / f"a.{ending}"), "L")), values >> 8)


def test_photographs_are_turned_upright(tmp_path):
    image = Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4) * 20)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    image.save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(np.asarray(read_image(str(tmp_path / "a.png"), "L")), np.rot90(np.asarray(image), -1))


def test_files_that_are_no_images(tmp_path, write_image):
    whole = Path(write_image("noise.jpg", 64, 64, 3)).read_bytes()
    damaged = {
        "empty.jpg": b"",
        "text.png": b"hello",
        "cut.jpg": whole[: len(whole) // 2],
        "head.png": b"\x89PNG\r\n\x1a\n" + b"\0" * 40,
    }
    for name, content in damaged.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UnreadableError) as caught:
            read_image(str(tmp_path / name), "RGB")
        assert caught.value.path.endswith(name) and caught.value.reason
    with pytest.raises(UnreadableError, match="no such file"):
        read_image(str(tmp_path / "none.jpg"), "RGB")
    with pytest.raises(UnreadableError):
        read_image(str(tmp_path), "RGB")


def test_stretching_takes_the_whole_image(write_image):
    image = Image.open(write_image("a.png", 10, 40, 1))
    result = resized(image, Resize(20, 20, stretch=True))
    assert result.size == (20, 20)
    np.testing.assert_array_equal(np.asarray(result), np.asarray(image.resize((20, 20), Image.Resampling.BILINEAR)))


@pytest.mark.parametrize(("height", "width"), [(32, 64), (64, 32), (48, 33), (16, 16), (8, 50)])
def test_the_centre_square_of_the_shorter_side(height, width):
    """A gradient across the longer side: its ends are cut off alike, the shorter side is kept whole."""
    ramp = np.linspace(0, 255, max(height, width))
    array = np.broadcast_to(ramp, (height, width)) if width >= height else np.broadcast_to(ramp[:, None], (height, width))
    result = np.asarray(resized(Image.fromarray(array.astype(np.uint8)), Resize(16, 16, stretch=False)), float)
    assert result.shape == (16, 16)
    line = result[8] if width >= height else result[:, 8]
    cut = (max(height, width) - min(height, width)) / 2 / max(height, width) * 255
    step = 255 / max(height, width) * min(height, width) / 16
    assert abs(line[0] - cut) < step + 2 and abs(line[-1] - (255 - cut)) < step + 2
    assert abs(line.mean() - 127.5) < 2


def test_an_image_of_the_right_size_is_not_touched(write_image):
    image = Image.open(write_image("a.png", 16, 16, 1))
    assert resized(image, Resize(16, 16, stretch=False)) is image


def test_order_without_shuffle_is_the_lists(write_image):
    stream = samples([f"{i}" for i in range(5)])
    assert [stream.entry(p) for p in range(12)] == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]


def test_shuffling_takes_every_image_once_an_epoch(write_image):
    shuffled = replace(PLAIN, shuffle=True)
    stream = samples([f"{i}" for i in range(50)], shuffled)
    epochs = [[stream.entry(50 * e + p) for p in range(50)] for e in range(3)]
    assert all(sorted(epoch) == list(range(50)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2] and epochs[0] != list(range(50))
    again = samples([f"{i}" for i in range(50)], shuffled)
    assert [again.entry(p) for p in (149, 3, 77)] == [epochs[2][49], epochs[0][3], epochs[1][27]]
    assert [samples([f"{i}" for i in range(50)], shuffled, seed=2).entry(p) for p in range(50)] != epochs[0]


def test_rand_skip_starts_somewhere_below_it():
    paths = [f"{i}" for i in range(10)]
    starts = Counter(samples(paths, replace(PLAIN, rand_skip=4), seed).entry(0) for seed in range(100))
    assert set(starts) == {0, 1, 2, 3}
    stream = samples(paths, replace(PLAIN, rand_skip=4), seed=5)
    first = stream.entry(0)
    assert [stream.entry(p) for p in range(10)] == [(first + p) % 10 for p in range(10)]
    assert {samples(paths, PLAIN, seed).entry(0) for seed in range(20)} == {0}
    with pytest.raises(NetdefError, match="rand_skip is 11"):
        samples(paths, replace(PLAIN, rand_skip=11))


def test_random_crops_stay_inside_and_reach_everywhere(write_image):
    settings = replace(PLAIN, train=True, crop=(3, 3), mirror=True)
    paths = [write_image("a.png", 4, 6, 1)]
    stream = samples(paths, settings)
    drawn = [stream.load(p) for p in range(300)]
    assert {s.offset for s in drawn} == {(top, left) for top in range(2) for left in range(4)}
    assert 100 < sum(s.mirror for s in drawn) < 200
    assert all(s.image.size == (6, 4) for s in drawn)
    testing = samples(paths, replace(settings, train=False))
    assert {testing.load(p).offset for p in range(9)} == {(0, 1)}


def test_images_of_any_size_are_cropped_one_by_one(write_image):
    paths = [write_image("a.png", 9, 5, 1), write_image("b.png", 5, 12, 2), write_image("c.png", 5, 5, 3)]
    for train in (True, False):
        stream = samples(paths, Settings("data", train, "list", (5, 5), crop=(5, 5)))
        seen = set()
        for position in range(240):
            sample, whole = stream.load(position), np.asarray(Image.open(paths[position % 3]))
            assert sample.offset == (0, 0)
            places = [
                (top, left)
                for top in range(whole.shape[0] - 4)
                for left in range(whole.shape[1] - 4)
                if np.array_equal(whole[top : top + 5, left : left + 5], pixels(sample))
            ]
            seen.add((position % 3, *places[0]))
        centres = {(0, 2, 0), (1, 0, 3), (2, 0, 0)}
        assert seen == centres if not train else len(seen) == 5 + 8 + 1


def test_an_image_smaller_than_the_crop(write_image):
    stream = samples([write_image("tiny.png", 4, 9, 1)], Settings("data", True, "list", (5, 5), crop=(5, 5)))
    with pytest.raises(NetdefError, match=r"tiny\.png is 4 x 9, smaller than crop_size 5"):
        stream.load(0)


def test_an_image_that_does_not_fit_the_mean_image(write_image):
    stream = samples([write_image("odd.png", 4, 9, 1)], Settings("data", True, "list", (8, 8), crop=(5, 5)))
    with pytest.raises(NetdefError, match=r"odd\.png is 4 x 9, not 8 x 8"):
        stream.load(0)


def test_a_list_with_none_left_says_so(tmp_path, write_image):
    (tmp_path / "bad.jpg").write_bytes(b"x")
    stream = samples([str(tmp_path / "bad.jpg"), str(tmp_path / "gone.jpg")])
    with pytest.raises(UnreadableError):
        stream.load(0)
    with pytest.raises(UnreadableError):
        stream.load(2)
    with pytest.raises(NetdefError, match="none of the 2 images of the list can be read"):
        stream.load(1)
