"""The solver's state in Caffe's two formats."""

import os

import h5py
import numpy as np
import pytest

from netdef import NetdefError
from netdef.schema import message_class
from runtime.solver.solverstate import SolverState, read_solverstate, write_solverstate


def test_caffes_two_formats_hold_the_same(goldens):
    binary = read_solverstate(goldens / "files/snap_iter_4.solverstate")
    other = read_solverstate(goldens / "files/snap_iter_4.solverstate.h5")
    for state, end in ((binary, ""), (other, ".h5")):
        assert (state.iteration, state.rate_stage, state.learned_net) == (4, 1, f"/tmp/snap_iter_4.caffemodel{end}")
        assert [a.shape for a in state.history] == [(4, 3, 3, 3), (4,), (6, 2, 3, 3), (6,), (5, 150), (5,)]
    for a, b in zip(binary.history, other.history, strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.any()


@pytest.fixture
def state():
    return SolverState(300, "runs/x_iter_300.caffemodel", 2, [np.arange(6, dtype="f4").reshape(2, 3), np.ones(2, "f4")])


@pytest.mark.parametrize("name", ["s.solverstate", "s.solverstate.h5"])
def test_what_is_written_is_read(tmp_path, state, name):
    write_solverstate(tmp_path / name, state, as_hdf5=name.endswith(".h5"))
    read = read_solverstate(tmp_path / name)
    assert (read.iteration, read.learned_net, read.rate_stage) == (300, "runs/x_iter_300.caffemodel", 2)
    for a, b in zip(read.history, state.history, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["s.solverstate", "s.solverstate.h5"])
def test_a_path_that_is_no_text(tmp_path, state, name):
    state.learned_net = os.fsdecode(b"runs/\xff\xc3\xa9/x.caffemodel")
    write_solverstate(tmp_path / name, state, as_hdf5=name.endswith(".h5"))
    assert os.fsencode(read_solverstate(tmp_path / name).learned_net) == b"runs/\xff\xc3\xa9/x.caffemodel"


def test_written_bytes_are_protobufs_own(tmp_path, state):
    write_solverstate(tmp_path / "s", state)
    message = message_class("SolverState").FromString((tmp_path / "s").read_bytes())
    assert (message.iter, message.learned_net, message.current_step) == (300, "runs/x_iter_300.caffemodel", 2)
    assert list(message.history[0].data) == [0, 1, 2, 3, 4, 5]
    assert list(message.history[0].shape.dim) == [2, 3]


def test_hdf5_is_laid_out_as_caffe_lays_it_out(tmp_path, state, goldens):
    write_solverstate(tmp_path / "s.h5", state, as_hdf5=True)
    with h5py.File(tmp_path / "s.h5") as ours, h5py.File(goldens / "files/snap_iter_4.solverstate.h5") as theirs:
        assert sorted(ours) == sorted(theirs)
        for name in ("iter", "current_step"):
            assert (ours[name].shape, ours[name].dtype) == (theirs[name].shape, theirs[name].dtype)
        # A C string: its fixed length counts the zero at the end.
        assert ours["learned_net"].shape == ()
        assert ours["learned_net"].dtype.itemsize == len(state.learned_net) + 1
        assert theirs["learned_net"].dtype.itemsize == len("/tmp/snap_iter_4.caffemodel.h5") + 1


def test_other_files_are_named(tmp_path, goldens):
    (tmp_path / "cut").write_bytes((goldens / "files/snap_iter_4.solverstate").read_bytes()[:-3])
    with pytest.raises(NetdefError, match="cut short"):
        read_solverstate(tmp_path / "cut")
    (tmp_path / "pointer").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(NetdefError, match=r"pointer is not a \.solverstate: it is a pointer of Git LFS"):
        read_solverstate(tmp_path / "pointer")
    with pytest.raises(NetdefError, match=r"not a \.solverstate"):
        read_solverstate(goldens / "files/snap_iter_4.caffemodel")
    with pytest.raises(NetdefError, match=r"not a \.solverstate\.h5"):
        read_solverstate(goldens / "files/snap_iter_4.caffemodel.h5")
