"""Means from values and files."""


import numpy as np
import pytest

from netdef.schema import message_class
from runtime.data.mean import channel_means, read_mean
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
    with pytest.raises(ValueError, match="2 values for 3 channels"):
        channel_means([1, 2], 3)


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
    with pytest.raises(ValueError, match="not a mean of 1 channels"):
        read_mean(str(GOLDENS / "mean.npy"), 1)


def test_a_blob_that_holds_less_than_it_says(tmp_path):
    blob = message_class("BlobProto")(num=1, channels=3, height=2, width=2, data=[1.0] * 11)
    (tmp_path / "mean.binaryproto").write_bytes(blob.SerializeToString())
    with pytest.raises(ValueError, match="holds 11 numbers"):
        read_mean(str(tmp_path / "mean.binaryproto"), 3)
