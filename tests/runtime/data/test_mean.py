"""Means from values and files."""

import contextlib
import random

import numpy as np
import pytest

from netdef.schema import message_class
from runtime.data.mean import channel_means, read_mean
from tests.netdef.weights.test_damage import mutated
from tests.paths import TESTS

GOLDENS = TESTS / "goldens" / "files"


def test_caffes_own_file():
    """mean.binaryproto was written by Caffe 1.0; mean.npy holds the same array."""
    expected = np.load(GOLDENS / "mean.npy")
    assert expected.std() > 1
    np.testing.assert_array_equal(read_mean(str(GOLDENS / "mean.binaryproto"), 3), expected)
    np.testing.assert_array_equal(read_mean(str(GOLDENS / "mean.npy"), 3), expected)


def test_values():
    assert channel_means([], 3).tolist() == [[[0]], [[0]], [[0]]]
    assert channel_means([2.5], 3).tolist() == [[[2.5]]] * 3
    assert channel_means([1, 2, 3], 3).tolist() == [[[1]], [[2]], [[3]]]
    with pytest.raises(ValueError, match="2 values for 3 channels: give one, or one for each channel"):
        channel_means([1, 2], 3)
    with pytest.raises(ValueError, match=r"3 values for 1 channel: give one$"):
        channel_means([60, 60, 60], 1)
    with pytest.raises(ValueError, match="not a finite number"):
        channel_means([float("nan")], 3)


def test_a_file_with_a_value_per_channel(tmp_path):
    np.save(tmp_path / "mean.npy", np.array([1.0, 2.0, 3.0]))
    mean = read_mean(str(tmp_path / "mean.npy"), 3)
    assert mean.shape == (3, 1, 1) and mean.dtype == np.float32


def test_a_blob_with_a_shape_of_four(tmp_path):
    blob = message_class("BlobProto")()
    blob.shape.dim.extend([1, 1, 2, 3])
    blob.double_data.extend(range(6))
    (tmp_path / "mean.binaryproto").write_bytes(blob.SerializeToString())
    assert read_mean(str(tmp_path / "mean.binaryproto"), 1).tolist() == [[[0, 1, 2], [3, 4, 5]]]


@pytest.mark.parametrize("name", ["mean.npy", "mean.binaryproto"])
@pytest.mark.parametrize("content", [b"", b"\x00\x01rubbish", b"\x93NUMPY\x01"])
def test_damaged_files(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=name):
        read_mean(str(tmp_path / name), 3)


def test_another_number_of_channels():
    with pytest.raises(ValueError, match=r"holds an array of 3 x .*, not a mean of 1 channel"):
        read_mean(str(GOLDENS / "mean.npy"), 1)


def test_a_blob_that_holds_less_than_it_says(tmp_path):
    blob = message_class("BlobProto")(num=1, channels=3, height=2, width=2, data=[1.0] * 11)
    (tmp_path / "mean.binaryproto").write_bytes(blob.SerializeToString())
    with pytest.raises(ValueError, match=r"a blob of shape \(1, 3, 2, 2\) with 11 numbers"):
        read_mean(str(tmp_path / "mean.binaryproto"), 3)


def test_files_of_another_kind_are_named(tmp_path):
    (tmp_path / "mean.binaryproto").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(ValueError, match=r"mean.binaryproto is not a whole .binaryproto: it is a pointer of Git LFS"):
        read_mean(str(tmp_path / "mean.binaryproto"), 3)
    with pytest.raises(ValueError, match="No such file"):
        read_mean(str(tmp_path / "gone.binaryproto"), 3)


@pytest.mark.parametrize("name", ["mean.npy", "mean.binaryproto"])
def test_numbers_that_are_not_finite(tmp_path, name):
    values = np.array([[[1.0]], [[np.nan]], [[np.inf]]])
    np.save(tmp_path / "mean.npy", values)
    blob = message_class("BlobProto")(num=1, channels=3, height=1, width=1, data=values.ravel())
    (tmp_path / "mean.binaryproto").write_bytes(blob.SerializeToString())
    with pytest.raises(ValueError, match="not finite: 1 NaN and 1 infinite of 3"):
        read_mean(str(tmp_path / name), 3)


def test_any_damage_to_a_mean_is_one_error(tmp_path):
    draw = random.Random(1)
    for number in range(600):
        name = ("mean.npy", "mean.binaryproto")[number % 2]
        (tmp_path / name).write_bytes(mutated((GOLDENS / name).read_bytes()[:400], draw))
        with contextlib.suppress(ValueError):
            assert read_mean(str(tmp_path / name), 3).shape[0] == 3
