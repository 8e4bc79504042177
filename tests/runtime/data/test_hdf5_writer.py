"""Rows that follow those of an interrupted conversion, whatever that left behind them."""

import h5py
import numpy as np
import pytest

from netdef import NetdefError
from runtime.data.datum import Datum
from runtime.data.hdf5_writer import Hdf5Writer, has_rows


def item(number, width=2):
    return b"%d" % number, Datum(1, 1, width, data=bytes([number] * width), label=number)


def test_what_is_behind_the_last_whole_batch_is_dropped(tmp_path):
    writer = Hdf5Writer(tmp_path / "content")
    writer.write(0, [item(0), item(1)])
    writer.write(2, [item(2)])
    with (tmp_path / "rows-1x1x2").open("ab") as file:
        file.write(b"half a row")
    assert has_rows(tmp_path, 3) and not has_rows(tmp_path, 5)
    again = Hdf5Writer(tmp_path / "content")
    again.cut(2)
    again.write(2, [item(7), item(8)])
    (tmp_path / "content").write_bytes(b"half a file")
    again.finish()
    with h5py.File(tmp_path / "content") as file:
        np.testing.assert_array_equal(file["data"][:, 0, 0], [[0, 0], [1, 1], [7, 7], [8, 8]])
        np.testing.assert_array_equal(file["label"], [0, 1, 7, 8])


def test_rows_of_another_shape(tmp_path):
    writer = Hdf5Writer(tmp_path / "content")
    writer.write(0, [item(0)])
    with pytest.raises(NetdefError, match=r"1 is 1 x 1 x 3, others are 1 x 1 x 2: a dataset takes one shape"):
        writer.write(1, [item(1, width=3)])
    writer.cut(0)
    writer.write(0, [item(1, width=3)])
    assert [path.name for path in tmp_path.glob("rows-*")] == ["rows-1x1x3"]
