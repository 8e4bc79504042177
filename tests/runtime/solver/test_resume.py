"""A run that was cut and resumed ends with the same bits as one that never was."""

from pathlib import Path
from unittest import mock

import numpy as np
import pytest

import netdef
import runtime
from netdef import NetdefError
from netdef.solver_file import TYPES
from netdef.weights.snapshots import side_path
from runtime.ops.update.table import ROWS
from runtime.solver.solverstate import read_solverstate
from runtime.solver.update import row_of
from tests.runtime.solver.nets import IMAGES, SEQUENCES, SOLVER


@pytest.fixture
def start(tmp_path):
    solvers = []

    def make(more="", net=IMAGES, text=SOLVER, threads=1):
        path = tmp_path / "small.net"
        path.write_text(net)
        solvers.append(runtime.Solver(text + more, path, threads=threads, out=tmp_path / "out"))
        return solvers[-1]

    yield make
    for solver in solvers:
        solver.close()


def bits(solver):
    parameters, names = solver.executable.net.parameters, row_of(solver.parameters).states
    arrays = [solver.executable.param(str(p.layer), p.index) for p in parameters]
    arrays += [solver.executable.state(p, name) for name in names for p in parameters]
    return b"".join(array.tobytes() for array in arrays)


def of_type(kind):
    """SOLVER as another type."""
    text = SOLVER.replace("momentum: 0.9", "") if kind in ("AdaGrad", "RMSProp") else SOLVER
    return text + f'type: "{kind}" delta: 1e-4 '


@pytest.mark.parametrize("more", ["", "snapshot_format: HDF5", "iter_size: 2 clip_gradients: 0.5"])
def test_resumed_bit_for_bit(start, more):
    whole = start(more)
    whole.step(5)
    snapshot = whole.snapshot()
    losses = [whole.step(1) for _ in range(5)]
    resumed = start(more)
    resumed.restore(snapshot)
    assert resumed.iteration == 5
    assert [resumed.step(1) for _ in range(5)] == losses
    assert bits(resumed) == bits(whole)


@pytest.mark.parametrize("form", ["BINARYPROTO", "HDF5"])
@pytest.mark.parametrize("kind", TYPES)
def test_every_type_resumes_bit_for_bit(start, kind, form):
    text = of_type(kind) + f"iter_size: 2 clip_gradients: 0.5 snapshot_format: {form}"
    whole = start(text=text)
    whole.step(3)
    snapshot = whole.snapshot()
    losses = [whole.step(1) for _ in range(3)]
    resumed = start(text=text)
    resumed.restore(snapshot)
    assert [resumed.step(1) for _ in range(3)] == losses
    assert bits(resumed) == bits(whole)
    assert all(whole.executable.state(p, name).any() for name in ROWS[kind].states for p in whole.executable.net.parameters)


@pytest.mark.parametrize("more", ["larc: true", 'larc: true larc_policy: "clip" warmup_iter: 4', "local_lr_auto: true"])
def test_own_rates_resume_bit_for_bit(start, more):
    whole, resumed = start(more), start(more)
    whole.step(2)
    resumed.restore(whole.snapshot())
    for solver in (whole, resumed):
        solver.step(4)
    assert bits(resumed) == bits(whole)


def test_what_layers_carry_is_resumed(start):
    """The states of an LSTM go on, in training and in the test net."""
    whole, resumed = (start(net=SEQUENCES, more="test_iter: 2 test_interval: 100 test_initialization: false") for _ in range(2))
    whole.step(3)
    whole.test()
    resumed.restore(whole.snapshot())
    assert all(array.any() for array in whole.executable.carried().values())
    results = [[solver.step(1) for _ in range(3)] + [test.loss for test in solver.test()] for solver in (whole, resumed)]
    assert results[0] == results[1] and bits(resumed) == bits(whole)
    for mine, theirs in zip(whole._executables(), resumed._executables(), strict=True):
        states = mine.carried(), theirs.carried()
        assert states[0].keys() == states[1].keys() == {"lstm.hidden_before", "lstm.cell_before"}
        assert all(states[0][name].tobytes() == states[1][name].tobytes() for name in states[0])


def test_a_test_that_is_stopped_leaves_what_layers_carry(start):
    solver = start(net=SEQUENCES, more="test_iter: 5 test_interval: 100 test_initialization: false")
    (test,) = solver.tests
    solver.test()
    before = test.executable.carried()
    answers = iter([False, False, True])
    assert solver.test(stop=lambda: next(answers)) is None
    after = test.executable.carried()
    assert all(before[name].tobytes() == after[name].tobytes() for name in before)


@pytest.mark.parametrize("state", ["AAAA", "=", "AAAAAAAAAAA="])
def test_a_damaged_state_is_reported(start, state):
    solver = start(net=SEQUENCES)
    solver.step(1)
    snapshot = solver.snapshot()
    side = side_path(snapshot)
    text = side.read_text()
    kept = solver.side_state()["sources"]["train"]["lstm.cell_before"]["float32"]
    side.write_text(text.replace(kept, state))
    with pytest.raises(NetdefError, match=r"state lstm\.cell_before"):
        solver.restore(snapshot)


@pytest.mark.parametrize("form", ["BINARYPROTO", "HDF5"])
def test_second_histories_come_behind_all_first_ones(start, form):
    """As AdaDelta and Adam have them in Caffe."""
    solver = start(text=of_type("Adam") + f"snapshot_format: {form}")
    solver.step(2)
    history = read_solverstate(solver.snapshot()).history
    parameters = solver.executable.net.parameters
    assert len(history) == 2 * len(parameters)
    for index, parameter in enumerate(parameters):
        for name, array in (("history", history[index]), ("history2", history[index + len(parameters)])):
            np.testing.assert_array_equal(array, solver.executable.state(parameter, name))


def test_a_state_of_another_type_is_refused(start):
    snapshot = start(text=of_type("Adam")).snapshot()
    with pytest.raises(NetdefError, match=r"is the state of solver type Adam, this solver is of type AdaDelta") as caught:
        start(text=of_type("AdaDelta")).restore(snapshot)
    assert len(caught.value.diagnostics) == 1
    with pytest.raises(NetdefError, match="is the state of solver type Adam, this solver is of type SGD"):
        start().restore(snapshot)


def test_caffes_files_tell_other_types_by_the_number_of_histories(start):
    """They do not name their type."""
    for kind, other in (("Adam", "SGD"), ("Nesterov", "AdaDelta")):
        snapshot = start(text=of_type(kind)).snapshot()
        side_path(snapshot).unlink()
        one, two = ("2 arrays", "1") if kind == "Adam" else ("1 array", "2")
        with pytest.raises(NetdefError, match=f"keeps {one} for each parameter, as .*{kind}.* do; solver type {other} keeps {two}"):
            start(text=of_type(other)).restore(snapshot)


def test_too_little_memory_for_a_snapshot_leaves_the_last_one_whole(start, monkeypatch):
    """Reading the history takes memory that training did not."""
    solver = start()
    solver.step(2)
    last = solver.snapshot()
    solver.step(1)

    def no_memory(*_):
        raise MemoryError

    monkeypatch.setattr(solver.executable, "state", no_memory)
    with pytest.raises(NetdefError, match=r"out of memory: .*_iter_3\.solverstate cannot be written"):
        solver.snapshot()
    assert [path.name for path in last.parent.glob("*.solverstate")] == [last.name]
    start().restore(last)


PHOTOS = """
name: "photos"
layer data: ImageData -> data, label {
  source: "builtin:photos" batch_size: 3 shuffle: true transform_param { crop_size: 20 mirror: true color_shift: 0.1 }
}
layer fc: InnerProduct(data) { num_output: 10 weight_filler { type: "xavier" } }
layer loss: SoftmaxWithLoss(fc, label)
"""


def test_images_go_on_with_the_same_crops_and_colors(start):
    whole = start(net=PHOTOS)
    whole.step(3)
    snapshot = whole.snapshot()
    losses = [whole.step(1) for _ in range(3)]
    resumed = start(net=PHOTOS)
    resumed.restore(snapshot)
    assert [resumed.step(1) for _ in range(3)] == losses
    assert bits(resumed) == bits(whole)
    assert [start(net=PHOTOS.replace("0.1", "0")).step(1) for _ in range(3)] != losses


def test_the_seed_is_the_snapshots(start):
    """Without random_seed each run draws its own; a resumed one goes on with the first one's."""
    unseeded = SOLVER.replace("random_seed: 5", "")
    first = start(text=unseeded)
    first.step(3)
    snapshot = first.snapshot()
    first.step(3)
    second = start(text=unseeded)
    assert second.seed != first.seed
    second.restore(snapshot)
    second.step(3)
    assert bits(second) == bits(first)


def test_threads_do_not_matter(start):
    one, two = start(threads=1), start(threads=2)
    for solver in (one, two):
        solver.step(4)
    assert bits(one) == bits(two)


def test_the_plateau_goes_on(start):
    text = SOLVER.replace("multistep", "plateau").replace("stepvalue: [3, 7]", "")
    text += "plateau_patience: 3 plateau_max: 2 test_iter: 2 test_interval: 1"
    whole = start(text=text)
    whole.step(4)
    snapshot = whole.snapshot()
    whole.step(6)
    assert whole.rate.stage > 0
    resumed = start(text=text)
    resumed.restore(snapshot)
    resumed.step(6)
    assert resumed.rate.state() == whole.rate.state()
    assert bits(resumed) == bits(whole)


def test_files_are_named_as_caffe_names_them(start, tmp_path):
    solver = start("snapshot: 2 snapshot_prefix: 'deep/small'")
    solver.step(4)
    names = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*"))
    kinds = ("caffemodel", "netdef.json", "solverstate")
    assert names == [f"deep/small_iter_{n}.{kind}" for n in (2, 4) for kind in kinds]


def test_an_absolute_prefix_stands_alone(start, tmp_path):
    solver = start(f"snapshot_prefix: '{tmp_path}/elsewhere/s'")
    assert solver.snapshot() == tmp_path / "elsewhere/s_iter_0.solverstate"


def test_without_the_side_file_weights_and_momentum_go_on(start):
    first = start()
    first.step(2)
    snapshot = first.snapshot()
    before = bits(first)
    Path(str(snapshot).replace(".solverstate", ".netdef.json")).unlink()
    second = start()
    second.restore(snapshot)
    assert second.iteration == 2
    assert bits(second) == before


def test_frozen_parameters_have_a_history_in_the_state(start):
    net = IMAGES.replace("kernel_size: 3", "kernel_size: 3 param { lr_mult: 0 } param { lr_mult: 1 }")
    solver = start(net=net)
    frozen = solver.executable.param("conv", 0)
    solver.step(2)
    np.testing.assert_array_equal(solver.executable.param("conv", 0), frozen)
    snapshot = solver.snapshot()
    again = start(net=net)
    again.restore(snapshot)
    again.step(2)
    solver.step(2)
    np.testing.assert_array_equal(again.executable.param("fc", 0), solver.executable.param("fc", 0))


def test_another_nets_state_is_refused(start):
    snapshot = start().snapshot()
    other = start(net=IMAGES.replace("layer relu", "layer more: InnerProduct(conv) { num_output: 2 }\nlayer relu"))
    with pytest.raises(NetdefError, match="history of 4 parameters, the net has 6"):
        other.restore(snapshot)
    wider = start(net=IMAGES.replace("num_output: 6", "num_output: 7"))
    with pytest.raises(NetdefError, match="history of conv/0"):
        wider.restore(snapshot)


def test_missing_weights_are_named(start):
    solver = start()
    snapshot = solver.snapshot()
    Path(str(snapshot).replace(".solverstate", ".caffemodel")).unlink()
    with pytest.raises(NetdefError, match=r"small_iter_0\.caffemodel"):
        solver.restore(snapshot)


def test_weights_that_are_not_finite_are_not_written(start, tmp_path):
    solver = start()
    solver.executable.set_param("fc", 1, [0, np.inf, 0])
    with pytest.raises(NetdefError, match="weights of fc/1 are not finite after iteration 0"):
        solver.snapshot()
    assert not (tmp_path / "out").exists()


def test_a_renamed_layer_is_another_net(start):
    first = start()
    first.step(1)
    snapshot = first.snapshot()
    other = start(net=IMAGES.replace("layer fc:", "layer fc_new:").replace("(fc,", "(fc_new,"))
    with pytest.raises(NetdefError, match="is of another net: it has no weights of fc_new"):
        other.restore(snapshot)


NORMALISED = IMAGES.replace(
    "layer relu:",
    """layer norm: BatchNorm(conv) -> conv { moving_average_fraction: 0.7 }
layer again: BatchNorm(conv) -> conv { use_global_stats: true eps: 1 }
layer scale: Scale(conv) -> conv { bias_term: true }
layer relu:""",
).replace("layer relu: ReLU", "layer relu: PReLU")


def statistics(solver):
    return [solver.executable.param(layer, index) for layer in ("norm", "again") for index in range(3)]


@pytest.mark.parametrize("more", ["", "snapshot_format: HDF5", "iter_size: 3", "test_iter: 2 test_interval: 1"])
@pytest.mark.parametrize("where", ["cpu:0", "cpu:0,cpu:0"])
def test_running_statistics_resume_too(more, where, tmp_path):
    path = tmp_path / "small.net"
    path.write_text(NORMALISED)

    def start():
        return runtime.Solver(SOLVER + more, path, where, threads=2, out=tmp_path / "out")

    with start() as whole, start() as resumed:
        whole.step(2)
        resumed.restore(whole.snapshot())
        for solver in (whole, resumed):
            solver.step(3)
        kept, again = statistics(whole), statistics(resumed)
        assert [a.tobytes() for a in kept] == [a.tobytes() for a in again]
        np.testing.assert_array_equal(whole.executable.param("conv", 0), resumed.executable.param("conv", 0))
        batches = 5 * whole.parameters.iter_size
        np.testing.assert_allclose(kept[2], sum(0.7**n for n in range(batches)), rtol=1e-6)
        assert kept[0].all() and kept[1].all() and not any(array.any() for array in kept[3:])


@pytest.mark.parametrize("iter_size", [1, 2])
def test_an_iteration_that_is_broken_off_counts_no_statistics(iter_size, tmp_path):
    """Between forward and update; what follows is what would have been without it."""
    inputs = "layer data: Input -> data, label { shape { dim: [8, 3, 12, 12] } shape { dim: 8 } }"
    net = netdef.parse(inputs + NORMALISED[NORMALISED.index("layer conv:") :], "small.net", phase="train")
    random = np.random.default_rng(0)
    fed = {"data": random.standard_normal((8, 3, 12, 12)), "label": random.integers(0, 3, 8)}
    results = []
    for broken in (False, True):
        with runtime.Solver(SOLVER + f"iter_size: {iter_size}", net, "cpu", out=tmp_path) as solver:
            solver.iterate(**fed)
            for batch in range(iter_size if broken else 0):
                done = [mock.DEFAULT] * batch  # batches before it run as ever
                with mock.patch.object(solver.executable, "backward", wraps=solver.executable.backward) as backward:
                    backward.side_effect = [*done, KeyboardInterrupt]
                    with pytest.raises(KeyboardInterrupt):
                        solver.iterate(**fed)
                assert solver.iteration == 1
            solver.iterate(**fed)
            results.append([*(array.tobytes() for array in statistics(solver)), solver.executable.param("conv", 0).tobytes()])
    assert results[0] == results[1]


SHARED = IMAGES.replace(
    "layer loss:",
    """layer first: InnerProduct(fc) { num_output: 3 weight_filler { type: "xavier" } param { name: "w" } param { lr_mult: 2 } }
layer second: InnerProduct(first) { num_output: 3 param { name: "w" } param { lr_mult: 2 } }
layer loss:""",
).replace("SoftmaxWithLoss(fc,", "SoftmaxWithLoss(second,")


@pytest.mark.parametrize("form", ["BINARYPROTO", "HDF5"])
def test_shared_weights_resume_too(start, form):
    whole = start(f"snapshot_format: {form}", net=SHARED)
    whole.step(2)
    snapshot = whole.snapshot()
    whole.step(2)
    resumed = start(f"snapshot_format: {form}", net=SHARED)
    resumed.restore(snapshot)
    resumed.step(2)
    assert bits(resumed) == bits(whole)
