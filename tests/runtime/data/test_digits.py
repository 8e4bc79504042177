"""`builtin:digits`: the package's handwritten digits, split and placed as MNIST has its own."""

from collections import Counter

import numpy as np
import pytest

from netdef.language.find import models_folder
from netdef.layers.data import DIGITS
from runtime.data.digits import TEST_DIGITS, DigitSamples, read_digits
from runtime.data.draws import Draws
from runtime.data.settings import Settings


def samples(train, seed=3, channels=1):
    return DigitSamples(Settings("data", train, DIGITS, (28, 28), channels=channels), Draws(seed, "data"))


def pixels(stream, positions):
    return [(np.asarray(stream.load(position).image).tobytes(), stream.load(position).label) for position in positions]


def test_files_are_small_and_their_origin_named():
    folder = models_folder() / "digits"
    assert sum(path.stat().st_size for path in folder.iterdir()) < 1e5
    origins = (folder / "ORIGINS.md").read_text()
    assert "CC BY 4.0" in origins and "not MNIST" in origins
    assert f"{sum(len(read_digits(str(label))) for label in range(10)):,} handwritten digits" in origins


def test_no_digit_is_in_both_phases():
    train, test = samples(True), samples(False)
    assert (train.size, test.size) == (1497, 300)
    trained, tested = (pixels(stream, range(stream.size)) for stream in (train, test))
    assert not {image for image, _ in trained} & {image for image, _ in tested}
    assert Counter(label for _, label in tested) == dict.fromkeys(range(10), TEST_DIGITS)
    assert len({image for image, _ in trained}) == train.size  # each once an epoch


@pytest.mark.parametrize("train", [True, False])
def test_labels_without_their_images(train):
    stream = samples(train)
    positions = [0, 7, stream.size + 3]
    assert [stream.label(position) for position in positions] == [stream.load(position).label for position in positions]


@pytest.mark.slow
def test_an_epoch_is_shuffled_by_the_seed_in_training_alone():
    assert pixels(samples(True, 1), range(20)) != pixels(samples(True, 2), range(20))
    assert pixels(samples(True, 1), range(20)) != pixels(samples(True, 1), range(1497, 1517))
    assert pixels(samples(True, 1), range(20)) == pixels(samples(True, 1), range(20))
    assert pixels(samples(False, 1), range(300)) == pixels(samples(False, 2), range(300, 600))


@pytest.mark.parametrize("channels", [1, 3])
def test_digits_are_white_on_black_with_a_margin(channels):
    stream = samples(True, channels=channels)
    for position in range(50):
        image = np.asarray(stream.load(position).image).reshape(28, 28, -1)
        assert image.shape == (28, 28, channels)
        assert not image[:4].any() and not image[-4:].any() and not image[:, :4].any() and not image[:, -4:].any()
        assert image.max() > 200
