"""HDF5 files on a disk that gets full: one error, and no crash of HDF5."""

import errno
from pathlib import Path

import h5py
import numpy as np
import pytest

from netdef.weights.hdf5_writing import Hdf5Writing, write_weights

ROWS = np.arange(40_000, dtype="f4")


def test_what_is_written_is_read(tmp_path):
    with Hdf5Writing(tmp_path / "a") as file:
        file["rows"] = ROWS
    with Hdf5Writing(tmp_path / "a", "r+") as file:
        del file["rows"]
        file["other"] = ROWS[:3]
    with h5py.File(tmp_path / "a") as file:
        assert [*file] == ["other"] and file["other"][2] == 2


def test_a_full_disk_is_an_error_once_the_file_is_closed():
    with pytest.raises(OSError, match="No space left") as caught:
        write_weights(Path("/dev/full"), [("fc", [(0, ROWS)])])
    assert caught.value.errno == errno.ENOSPC


def test_a_full_disk_is_noticed_between_batches(tmp_path):
    """Chunks, a resize and further batches after the failure: HDF5 goes on as if all were written."""
    writing = Hdf5Writing(tmp_path / "a")
    data = writing.file.create_dataset("data", (0, 10), "f4", maxshape=(None, 10), chunks=(1, 10))
    writing._sink._file.close()
    writing._sink._file = Path("/dev/full").open("r+b", buffering=0)  # noqa: SIM115 - closed with it
    for rows in range(500, 2000, 500):
        data.resize(rows, axis=0)
        data[rows - 500 :] = 1
    with pytest.raises(OSError, match="No space left"):
        writing.sync()
    with pytest.raises(OSError, match="No space left"):
        writing.close()


def test_another_error_is_not_hidden(tmp_path):
    with pytest.raises(ZeroDivisionError), Hdf5Writing(tmp_path / "a"):
        raise ZeroDivisionError
