"""Eight iterations of a small net by Caffe's own solver, and a run resumed from Caffe's own snapshot."""

import numpy as np
import pytest

import runtime
from netdef.language import read_text
from tests.paths import TESTS

GOLDENS = TESTS / "goldens"
CASES = sorted(path.stem for path in (GOLDENS / "solvers").glob("*.npz"))
LAYERS = [("conv1", 0), ("conv1", 1), ("conv2", 0), ("conv2", 1), ("fc", 0), ("fc", 1)]


def close(ours, caffes):
    return np.all(np.abs(ours - caffes) <= 1e-4 * np.maximum(1, np.abs(caffes)))


@pytest.fixture
def start(tmp_path):
    """A Solver for a golden's texts; its snapshots go to tmp_path."""
    solvers = []

    def make(net, solver):
        (tmp_path / "tiny.prototxt").write_text(str(net))
        bound = read_text(str(solver), "solver.prototxt", "SolverParameter")
        solvers.append(runtime.Solver(bound, tmp_path / "tiny.prototxt", threads=2, out=tmp_path))
        return solvers[-1]

    yield make
    for solver in solvers:
        solver.close()


@pytest.mark.parametrize("case", CASES)
def test_eight_iterations_are_caffes(case, start):
    golden = np.load(GOLDENS / f"solvers/{case}.npz")
    solver = start(golden["net"], golden["solver"])
    for layer, index in LAYERS:
        solver.executable.set_param(layer, index, golden[f"init_{layer}_{index}"])
    losses = []
    for iteration in range(8):
        assert solver.iteration == iteration
        solver.step(1, data=golden[f"data_{iteration}"], label=golden[f"label_{iteration}"])
        losses.append(solver.loss)
    assert close(np.array(losses), golden["loss"])
    for layer, index in LAYERS:
        assert close(solver.executable.param(layer, index), golden[f"final_{layer}_{index}"]), (layer, index)


def test_the_cases_are_there():
    assert len(CASES) == 14


@pytest.mark.parametrize("end", ["", ".h5"])
def test_resuming_caffes_snapshot_ends_where_caffe_ends(end, start):
    golden = np.load(GOLDENS / "files/resume.npz")
    solver = start((GOLDENS / "files/tiny.prototxt").read_text(), golden["solver"])
    solver.restore(GOLDENS / f"files/snap_iter_4.solverstate{end}")
    assert solver.iteration == 4
    for iteration in range(4, 8):
        solver.step(1, data=golden[f"data_{iteration}"], label=golden[f"label_{iteration}"])
    for layer, index in LAYERS:
        assert close(solver.executable.param(layer, index), golden[f"final_{layer}_{index}"]), (layer, index)
