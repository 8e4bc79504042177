"""Solvers of scripts (BVLC's test_solver.py checks as much)."""

import numpy as np
import pytest

import runtime
from netdef.language.diagnostics import NetdefError
from runtime import pycaffe as caffe
from runtime.pycaffe.settings import PycaffeRemark
from runtime.solver.caffe_log import caffe_records, is_caffe_log
from tests.runtime.pycaffe.nets import DEPLOY, SIMPLE, give_labels, solver_file, written


@pytest.fixture
def solver(tmp_path):
    caffe.set_random_seed(5)
    solver = caffe.SGDSolver(solver_file(tmp_path))
    give_labels(solver.net, *solver.test_nets)
    return solver


def test_solve(solver):
    labels = solver.net.blobs["label"].data.copy()
    assert solver.iter == 0
    solver.solve()
    assert solver.iter == 12 and np.array_equal(solver.net.blobs["label"].data, labels)


def test_steps_are_those_of_netdef(solver, tmp_path):
    loss = solver.step(3)
    with runtime.Solver(str(tmp_path / "solver.prototxt"), devices="cpu", seed=5) as own:
        first = own.executable.param("ip", 0)
    assert not np.array_equal(solver.net.params["ip"][0].data, first)
    assert loss == pytest.approx(float(solver.net.blobs["loss"].data))
    assert np.abs(solver.net.blobs["scores"].diff).max() > 0 and np.abs(solver.net.params["ip"][0].diff).max() > 0


def test_apply_update(solver):
    blob = solver.net.layers[1].blobs[0]
    data = blob.data
    data[...] = 0
    blob.diff[...] = 1
    solver.apply_update()
    assert np.allclose(data, -0.01, atol=1e-7) and solver.iter == 0 and solver.lr == pytest.approx(0.01)


def test_cleared_diffs_update_nothing(tmp_path):
    path = solver_file(tmp_path)
    text = (tmp_path / "solver.prototxt").read_text()
    (tmp_path / "solver.prototxt").write_text(text.replace("momentum: 0.9 weight_decay: 0.0005", ""))
    solver = caffe.SGDSolver(path)
    solver.net.forward()
    solver.net.backward()
    before = solver.net.params["ip"][0].data.copy()
    solver.net.clear_param_diffs()
    solver.apply_update()
    assert np.array_equal(solver.net.params["ip"][0].data, before)
    solver.net.backward()
    solver.apply_update()
    assert not np.array_equal(solver.net.params["ip"][0].data, before)


def test_test_nets_have_the_weights(solver):
    (test,) = solver.test_nets
    solver.step(1)
    assert np.array_equal(test.params["ip"][0].data, solver.net.params["ip"][0].data)
    solver.net.params["ip"][0].data[...] = 0
    test.forward()
    assert np.allclose(test.blobs["scores"].data, test.params["ip"][1].data)


def test_nets_outlive_the_solver(solver):
    nets = [solver.net, *solver.test_nets]
    del solver
    assert len(nets) == 2
    assert all(np.isfinite(blob.data).all() for net in nets for blobs in net.params.values() for blob in blobs)
    for net in nets:
        net.forward()


def test_snapshot_and_restore(solver, tmp_path):
    solver.step(2)
    solver.snapshot()
    assert {"model_iter_2.caffemodel", "model_iter_2.solverstate"} <= {file.name for file in tmp_path.iterdir()}
    other = caffe.get_solver(str(tmp_path / "solver.prototxt"))
    blob = other.net.params["ip"][0]
    other.restore(str(tmp_path / "model_iter_2.solverstate"))
    give_labels(other.net, *other.test_nets)
    assert other.iter == 2 and other.net.params["ip"][0] is blob
    assert np.array_equal(blob.data, solver.net.params["ip"][0].data)
    for one in (solver, other):
        one.step(1)
    assert np.array_equal(blob.data, solver.net.params["ip"][0].data)
    with pytest.raises(RuntimeError, match="Could not open file"):
        other.restore("none.solverstate")


@pytest.mark.parametrize("batches", [1, 3])
def test_one_by_one_is_a_step(tmp_path, batches):
    """Forward, backward and update by hand, with calls around them, do what `step` does."""
    path, trained, losses = solver_file(tmp_path, more=f"iter_size: {batches}"), [], []
    for by_hand in (False, True):
        caffe.set_random_seed(3)
        solver = caffe.SGDSolver(path)
        give_labels(solver.net, *solver.test_nets)
        calls = []
        if by_hand:
            solver.add_callback(lambda calls=calls: calls.append("start"), lambda calls=calls: calls.append("ready"))
        losses.append(solver.step(2))
        assert calls == ["start", "ready"] * (2 * by_hand)
        trained.append([solver.net.params["ip"][0].data.copy(), solver.net.params["ip"][0].diff.copy()])
    for stepped, one_by_one in zip(*trained, strict=True):
        assert np.allclose(stepped, one_by_one, rtol=1e-5, atol=1e-6)
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_update_takes_the_script_s_diffs_as_sums_of_batches(tmp_path):
    """It divides them by iter_size, however many runs have made them, and whether or not the script has read or changed them."""
    text = f"net: '{written(tmp_path, SIMPLE)}' base_lr: 0.5 lr_policy: 'fixed' max_iter: 9 iter_size: 3"
    solver = caffe.SGDSolver(written(tmp_path, text, "s.prototxt"))
    give_labels(solver.net)
    blob = solver.net.params["ip"][0]
    for runs, factor in ((1, 1), (3, 1), (1, 4)):
        before = blob.data.copy()
        solver.net.clear_param_diffs()
        for _ in range(runs):
            solver.net.forward()
            solver.net.backward()
        if factor != 1:
            blob.diff[...] *= factor
        solver.apply_update()
        moved = before - blob.data
        assert np.abs(moved).max() > 1e-4 and np.allclose(moved, 0.5 / 3 * blob.diff, atol=1e-6)


def test_inputs_are_the_script_s(tmp_path):
    text = DEPLOY.replace(
        "layer { type: 'Softmax' name: 'prob' bottom: 'ip' top: 'prob' }",
        "layer { type: 'Input' name: 'label' top: 'label' input_param { shape { dim: 4 } } }\n"
        "layer { type: 'SoftmaxWithLoss' name: 'loss' bottom: 'ip' bottom: 'label' top: 'loss' }",
    )
    net = written(tmp_path, text)
    solver = caffe.SGDSolver(written(tmp_path, f"train_net: '{net}' base_lr: 0.5 lr_policy: 'fixed' max_iter: 9", "s.prototxt"))
    solver.net.blobs["data"].data[...] = np.random.default_rng(0).standard_normal((4, 3, 8, 8))
    solver.net.blobs["label"].data[...] = [0, 1, 2, 3]
    assert solver.test_nets == []
    first = solver.step(1)
    assert solver.step(8) < first


@pytest.mark.parametrize(
    "kind", [caffe.NesterovSolver, caffe.AdaGradSolver, caffe.RMSPropSolver, caffe.AdaDeltaSolver, caffe.AdamSolver]
)
def test_types(tmp_path, kind):
    name = kind.__name__.removesuffix("Solver")
    more = f"type: '{name}' delta: 1e-6" + (" rms_decay: 0.9" if name == "RMSProp" else "")
    path = solver_file(tmp_path, more=more)
    text = (tmp_path / "solver.prototxt").read_text()
    if name in ("AdaGrad", "RMSProp"):
        (tmp_path / "solver.prototxt").write_text(text.replace("momentum: 0.9", ""))
    assert type(caffe.get_solver(path)) is kind and kind(path).param.type == name


def test_the_class_decides_as_in_caffe(tmp_path):
    with pytest.warns(PycaffeRemark, match="asks for Nesterov; caffe.SGDSolver trains by SGD"):
        solver = caffe.SGDSolver(solver_file(tmp_path, more="type: 'Nesterov'"))
    assert solver.param.type == "SGD"


def test_wrong_files(tmp_path):
    for make in (caffe.SGDSolver, caffe.get_solver):
        with pytest.raises(RuntimeError, match="Could not open file none"):
            make("none")
        with pytest.raises(NetdefError, match="expected the path of a solver's file, not int"):
            make(3)
    with pytest.raises(NetdefError, match="unknown field 'nett' of a solver"):
        caffe.SGDSolver(written(tmp_path, "nett: 'x'", "wrong.prototxt"))


def test_what_a_solver_prints(tmp_path, capsys):
    """Caffe's lines, which are read again as those of its log."""
    path = solver_file(tmp_path)
    (tmp_path / "solver.prototxt").write_text((tmp_path / "solver.prototxt").read_text() + "\ndisplay: 5\n")
    solver = caffe.SGDSolver(path)
    give_labels(solver.net, *solver.test_nets)
    capsys.readouterr()
    solver.solve()
    lines = capsys.readouterr().err.splitlines()
    records = caffe_records(lines)
    assert [one["iteration"] for one in records if one["event"] == "train"] == [0, 5, 10]
    trained = [one for one in records if one["event"] == "train"]
    assert [one["rate"] for one in trained] == pytest.approx(
        [solver._solver.rate.at(one["iteration"]) for one in trained], rel=1e-4
    )
    assert all(one["batch_loss"] == pytest.approx(one["loss"], rel=1e-4) for one in trained)
    assert [one for one in records if one["event"] == "test"] or not solver.test_nets
    assert is_caffe_log(lines[0]) and "Solving" in lines[0] and "Optimization Done." in lines[-1]
    assert " iter/s, " in "".join(lines)
    solver.add_callback(lambda: None, lambda: None)
    caffe.init_log(1)
    solver.step(8)
    caffe.init_log(0)
    assert capsys.readouterr().err == ""
    solver.step(6)
    assert "Iteration 25" in capsys.readouterr().err


def test_speed_after_a_restore(tmp_path, capsys):
    """Iterations between a snapshot and the last line printed, before or behind it, are not counted."""
    solver = caffe.SGDSolver(solver_file(tmp_path, more="display: 2"))
    give_labels(solver.net, *solver.test_nets)
    solver.step(1)
    solver.snapshot()
    solver.step(6)
    for _ in range(2):
        solver.restore(str(tmp_path / "model_iter_1.solverstate"))
        capsys.readouterr()
        solver.step(4)
        lines = [line for line in capsys.readouterr().err.splitlines() if "loss = " in line and "Iteration" in line]
        assert [" iter/s" in line for line in lines] == [False, True] and "s/2 iters)" in lines[1]
