"""Runs that earlier versions wrote (tests/goldens/snapshots, which never change) are read and go on, in both forms.

The numbers are those of the run that wrote them, at iteration 3 of Adam.
"""

import json
import shutil

import numpy as np
import pytest

import runtime
from netdef.weights import read_weights
from runtime.solver.log import read_log
from runtime.solver.saving import newest_whole
from runtime.solver.snapshot import read_side
from runtime.solver.solverstate import read_solverstate

FC = [-0.12636176, -2.7806731e-05, -0.9133538, 0.6011917, 0.9478011, 0.6425855]
LOSS = 1.2245153188705444  # of iteration 5
FORMS = {"binaryproto": "", "hdf5": ".h5"}


@pytest.fixture(params=FORMS)
def snapshot(request, goldens):
    """The state of a run."""
    return goldens / "snapshots" / request.param / f"small_iter_3.solverstate{FORMS[request.param]}"


def test_each_file_is_read(snapshot):
    assert newest_whole([snapshot]) == (snapshot, [])
    state, side = read_solverstate(snapshot), read_side(snapshot)
    assert (state.iteration, state.rate_stage, len(state.history)) == (3, 1, 14)
    assert (side["format"], side["type"], side["seed"], side["batch_size"]) == (1, "Adam", 5, 4)
    weights = read_weights(snapshot.with_name(snapshot.name.replace("solverstate", "caffemodel")))
    assert {name: [array.shape for array in arrays] for name, arrays in weights.items()} == {
        "conv": [(3, 2, 3, 3), (3,)],
        "bn": [(3,), (3,), (1,)],
        "fc": [(2, 3), (2,)],
    }
    np.testing.assert_allclose(weights["fc"][0].ravel(), FC, rtol=1e-6)
    assert json.loads((snapshot.parent / "run.json").read_text())["format"] == 1
    assert [record["iteration"] for record in read_log(snapshot.parent) if record["event"] == "train"] == [0, 1, 2]


def test_a_run_goes_on(snapshot, tmp_path):
    """As the run that wrote it went on, up to the rounding of another processor."""
    run = tmp_path / "run"
    shutil.copytree(snapshot.parent, run)
    with runtime.Solver(run / "solver.txt", threads=1, out=tmp_path, max_iter=5) as solver:
        solver.restore(run / snapshot.name)
        assert solver.iteration == 3
        np.testing.assert_allclose(solver.step(2), LOSS, rtol=1e-4)
