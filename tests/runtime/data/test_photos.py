"""The photographs that come with netdef and the windows taken from them."""

import re
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from netdef.language.find import models_folder
from netdef.layers.data import PHOTOS
from runtime.data.draws import Draws
from runtime.data.listing import Listing
from runtime.data.photos import GRID, MiddleWindows, PhotoSamples, WindowsOfFiles
from runtime.data.settings import Resize, Settings

CLASSES = 10


def samples(train: bool, seed: int = 3, **settings) -> PhotoSamples:
    return PhotoSamples(Settings("data", train, PHOTOS, (256, 256), resize=Resize(256, 256), **settings), Draws(seed, "data"))


def pixels(sample) -> np.ndarray:
    return np.asarray(sample.image)


def test_files_are_small_and_their_origins_named():
    folder = models_folder() / "photos"
    photos = sorted(path.stem for path in folder.glob("*.jpg"))
    assert photos == sorted((folder / "labels.txt").read_text().split())
    assert sum(path.stat().st_size for path in folder.iterdir()) < 1.1e6
    rows = [line for line in (folder / "ORIGINS.md").read_text().splitlines() if line.startswith("| ")][1:]
    assert sorted(row.split("|")[1].strip() for row in rows) == photos
    assert all(re.search(r"public domain|CC0|no known copyright restrictions", row) for row in rows)


@pytest.mark.slow
def test_training_and_test_windows_never_share_a_pixel():
    painted = {train: [np.zeros((p.image.height, p.image.width), bool) for p in samples(train)._photos] for train in (True, False)}
    for train, canvases in painted.items():
        for seed in range(3):
            stream = samples(train, seed)
            for position in range(2 * stream.size):
                label, (top, left, side) = stream.window(position)
                assert top >= 0 and left >= 0 and side > 0
                height, width = canvases[label].shape
                assert top + side <= height and left + side <= width
                canvases[label][top : top + side, left : left + side] = True
    for trained, tested in zip(painted[True], painted[False], strict=True):
        assert not (trained & tested).any()
        assert trained.mean() > 0.5 and 0.2 < tested.mean() < 0.3


@pytest.mark.slow
@pytest.mark.parametrize("train", [True, False])
def test_a_window_shows_nothing_of_the_other_phase(train):
    """Resizing looks at no pixel outside the window: the pixels of the other phase can be anything."""
    plain, spoilt = samples(train), samples(train)
    other = [np.zeros((p.image.height, p.image.width), bool) for p in spoilt._photos]
    opposite = samples(not train)
    for position in range(opposite.size):
        label, (top, left, side) = opposite.window(position)
        other[label][top : top + side, left : left + side] = True
    for photo, mask in zip(spoilt._photos, other, strict=True):
        array = np.array(photo.image)
        array[mask] = 255 - array[mask]
        photo.image = Image.fromarray(array)
    for position in range(60):
        np.testing.assert_array_equal(pixels(plain.load(position)), pixels(spoilt.load(position)))


@pytest.mark.parametrize(("train", "smallest", "ratio"), [(True, 100, 2.2), (False, 50, 1.4)])
def test_windows_vary_in_position_and_scale(train, smallest, ratio):
    stream = samples(train)
    windows: dict[int, list] = {label: [] for label in range(CLASSES)}
    for position in range(stream.size):
        label, window = stream.window(position)
        windows[label].append(window)
    for of_class in windows.values():
        assert len(of_class) == smallest
        assert len(set(of_class)) == len(of_class)
        sides = [side for _, _, side in of_class]
        assert max(sides) > ratio * min(sides)


def test_test_windows_are_the_same_for_every_seed_and_epoch():
    one, two = samples(False, seed=1), samples(False, seed=2)
    assert [one.window(p) for p in range(one.size)] == [two.window(p + two.size) for p in range(two.size)]


@pytest.mark.slow
def test_test_windows_come_class_by_class():
    stream = samples(False)
    labels = [stream.window(position)[0] for position in range(20)]
    assert labels == [*range(CLASSES), *range(CLASSES)]


def test_training_epochs_hold_every_class_alike_in_another_order():
    stream = samples(True)
    epochs = [[stream.window(e * stream.size + i)[0] for i in range(stream.size)] for e in range(2)]
    assert [set(Counter(epoch).values()) for epoch in epochs] == [{100}, {100}]
    assert epochs[0] != epochs[1]
    windows = {stream.window(position) for position in range(2 * stream.size)}
    assert len(windows) > 1.95 * stream.size


@pytest.mark.parametrize("train", [True, False])
def test_labels_without_their_images(train):
    stream = samples(train)
    positions = [0, 7, stream.size + 3]
    assert [stream.label(position) for position in positions] == [stream.load(position).label for position in positions]


def test_samples_depend_on_the_seed_and_the_position_alone():
    stream, again, other = samples(True, crop=(227, 227)), samples(True, crop=(227, 227)), samples(True, seed=4, crop=(227, 227))
    for position in (17, 3, 1999):
        one, two = stream.load(position), again.load(position)
        np.testing.assert_array_equal(pixels(one), pixels(two))
        assert (one.label, one.offset, one.mirror) == (two.label, two.offset, two.mirror)
        assert stream.window(position) != other.window(position)


def test_gray_photographs_are_read_as_three_equal_channels():
    stream = samples(True)
    grass = next(p for p in range(1000) if stream.window(p)[0] == 7)
    image = pixels(stream.load(grass))
    assert image.shape == (256, 256, 3)
    assert (image[..., 0] == image[..., 2]).all() and image.std() > 10
    cat = pixels(stream.load(next(p for p in range(1000) if stream.window(p)[0] == 1)))
    assert (cat[..., 0] != cat[..., 2]).any()


def test_one_channel_where_the_net_asks_for_it():
    assert pixels(samples(True, channels=1).load(0)).shape == (256, 256)


@pytest.mark.slow
def test_crops_and_mirrors_are_drawn_in_training_and_crops_centred_in_testing():
    training, testing = samples(True, crop=(227, 227), mirror=True), samples(False, crop=(227, 227))
    drawn = [training.load(p) for p in range(60)]
    assert len({s.offset for s in drawn}) > 50
    assert {0, 1} == {int(s.mirror) for s in drawn}
    assert all(0 <= edge <= 29 for s in drawn for edge in s.offset)
    still = [testing.load(p) for p in range(20)]
    assert {s.offset for s in still} == {(14, 14)}
    assert not any(s.mirror for s in still)


def test_windows_of_a_whole_photograph(tmp_path):
    """GRID x GRID windows of a quarter of its shorter side, from the first pixels to the last."""
    rows, columns = np.mgrid[:80, :120]
    whole = np.stack([rows, columns, rows + 0 * columns], axis=2).astype(np.uint8)
    Image.fromarray(whole).save(tmp_path / "x.png")
    settings = Settings("data", False, "", (20, 20), resize=Resize(20, 20))
    listing = Listing("given", [str(tmp_path / "x.png")] * GRID**2, [0] * GRID**2)
    windows = [pixels(WindowsOfFiles(listing, settings, Draws(0, "data")).load(n))[..., ::-1] for n in range(GRID**2)]
    assert all(window.shape == (20, 20, 3) for window in windows)
    corners = [tuple(sorted((int(w[0, 0, 1]), int(w[0, 0, 2])))) for w in (windows[0], windows[-1])]
    assert corners == [(0, 0), (60, 100)] and [int(w.max()) for w in (windows[0], windows[-1])] == [19, 119]
    assert len({window.tobytes() for window in windows}) == GRID**2
    middle = Listing("given", [str(tmp_path / "x.png")], [0])
    assert pixels(MiddleWindows(middle, settings, Draws(0, "data")).load(0))[..., ::-1].tobytes() == windows[12].tobytes()
