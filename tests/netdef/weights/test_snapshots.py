"""The snapshots of a run by the names of their files."""

import pytest

from netdef import NetdefError
from netdef.weights.snapshots import latest_snapshot, weights_of_run


def test_the_latest_is_of_the_highest_iteration(tmp_path):
    for name in ("a_iter_9.solverstate", "deep/a_iter_100.solverstate.h5", "a_iter_20.solverstate", "a_iter_x.solverstate"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert latest_snapshot(tmp_path) == tmp_path / "deep/a_iter_100.solverstate.h5"
    with pytest.raises(NetdefError, match="no snapshot under"):
        latest_snapshot(tmp_path / "nowhere")


def test_the_weights_of_a_run_are_those_of_its_last_snapshot(tmp_path):
    for name in (
        "a_iter_9.solverstate",
        "a_iter_9.caffemodel",
        "a_iter_20.solverstate.h5",
        "a_iter_20.caffemodel.h5",
        "b.caffemodel",
    ):
        (tmp_path / name).touch()
    assert weights_of_run(tmp_path) == tmp_path / "a_iter_20.caffemodel.h5"
    (tmp_path / "a_iter_20.caffemodel.h5").unlink()
    with pytest.raises(NetdefError, match=r"weights of .*a_iter_20.solverstate.h5 are missing"):
        weights_of_run(tmp_path)
    with pytest.raises(NetdefError, match=r"no snapshot under .*nowhere\n.*give a file of weights"):
        weights_of_run(tmp_path / "nowhere")
