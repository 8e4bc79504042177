"""Training on several devices: the same weights after 20 iterations, the same snapshots, and runs that move."""

import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import netdef
import runtime
from netdef.schema import message_class
from runtime.solver.histories import histories, read_histories
from runtime.solver.solver import Solver
from runtime.solver.update import row_of, updates
from tests.marks import of_release, slow_except
from tests.runtime.compiler.placement.nets import WAYS, devices, difference, feeds, text_of, without_kinks
from tests.runtime.compiler.placement.random_nets import random_net

SOLVER = """
base_lr: 0.002 lr_policy: "step" gamma: 0.5 stepsize: 8 momentum: 0.9 weight_decay: 0.001 max_iter: 20 random_seed: 3
snapshot_prefix: "run" snapshot_format: %s
"""
NOISE = """
layer data: DummyData -> data, label {{
  shape {{ dim: [6, {channels}, {side}, {side}] }} shape {{ dim: 6 }}
  data_filler {{ type: "gaussian" std: 1 }} data_filler {{ type: "uniform" min: 0 max: 4.99 }}
}}
"""
CHANNELS, SIDES = {"lenet": 1}, {"alexnet": 67, "caffenet": 67, "lenet": 28, "googlenet": 64}
# LeNet in all ways, of the nets that take longer each split, and between them each count.
CASES = [("lenet", *way) for way in WAYS]
CASES += [("alexnet", "groups", 3), ("alexnet", "batch", 2), ("alexnet", "hybrid", 2)]
CASES += [("caffenet", "groups", 2), ("caffenet", "batch", 3), ("googlenet", "groups", 4), ("googlenet", "batch", 2)]
SMOOTH = "googlenet"  # so deep that in 20 steps some ReLU's input changes its sign by rounding alone, and gradients jump
SAME = 1e-4  # float32 rounding, amplified by 20 steps


def solver_for(name: str, where: str | None, text: str = SOLVER % "BINARYPROTO", **options) -> Solver:
    noise = NOISE.format(channels=CHANNELS.get(name, 3), side=SIDES[name])
    body = without_input(without_kinks(text_of(name)) if name == SMOOTH else text_of(name))
    net = netdef.parse(noise + body, phase="train")
    return Solver(text, net, where, threads=2, **options)


def without_input(text: str) -> str:
    start = text.index("layer {", text.index("name:")) if "layer {" in text else 0
    end = text.index("\n}", start) + 3
    assert 'type: "Input"' in text[start:end]
    return text[:start] + text[end:]


def weights(solver: Solver) -> dict[str, np.ndarray]:
    return {str(p): solver.executable.param(p.layer.name, p.index) for p in solver.executable.net.parameters}


def states(solver: Solver) -> dict[str, np.ndarray]:
    kept, row = solver.executable, row_of(solver.parameters)
    return {f"{name} of {p}": array for (p, name), array in zip(histories(kept.net, row), read_histories(kept, row), strict=True)}


def trained(name: str, where: str, iterations: int = 20, text: str = SOLVER % "BINARYPROTO", **options) -> dict[str, np.ndarray]:
    solver = solver_for(name, where, text, **options)
    solver.step(iterations)
    found = weights(solver) | states(solver)
    solver.close()
    return found


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> None:
    assert a.keys() == b.keys()
    worst = {what: difference(a[what], b[what]) for what in a}
    assert max(worst.values()) < SAME, sorted(worst.items(), key=lambda item: -item[1])[:4]


@cache
def on_one(name: str, iterations: int = 20, extra: str = "") -> dict[str, np.ndarray]:
    return trained(name, "cpu", iterations, SOLVER % "BINARYPROTO" + extra)


@pytest.mark.parametrize(("name", "split", "count"), slow_except("lenet", CASES))
def test_weights_after_20_iterations(name: str, split: str, count: int) -> None:
    found = trained(name, devices(count), split=split)
    assert any((found[what] != on_one(name)[what]).any() for what in found)
    same(found, on_one(name))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [*range(100, 109), *of_release(range(109, 118))])
def test_random_nets(seed: int) -> None:
    """Weights that are shared, frozen, made by hand on one device, and whatever else random nets have, after some updates."""
    net = netdef.parse(random_net(seed), phase="train")
    begun, expected = updated(net, "cpu", None)
    _, found = updated(net, devices(2 + seed % 3), ("groups", "batch", "hybrid")[seed // 3 % 3])
    same(found, expected)
    for parameter in net.parameters:
        if parameter.owner.lr_mult == 0:
            np.testing.assert_array_equal(found[str(parameter)], begun[str(parameter)])


def updated(net: netdef.Net, where: str, split: str | None) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The weights before and after three updates."""
    update = updates(message_class("SolverParameter")(momentum=0.9, weight_decay=0.01))
    options = {"keep": "activations", "losses_only": True, "update": update, "split": split, "seed": 5, "threads": 2}
    with runtime.compile(net, where, **options) as exe:
        exe.set_scalar("rate", 0.01)
        exe.set_scalar("scale", 1)
        begun = {str(p): exe.param(p.layer.name, p.index) for p in net.parameters}
        for iteration in range(3):
            exe.run_forward(iteration, **feeds(net))
            exe.backward()
            exe.update()
        return begun, {str(p): exe.param(p.layer.name, p.index) for p in net.parameters}


def test_they_learn() -> None:
    """That what is compared is not the weights that it began with."""
    solver = solver_for("alexnet", "cpu")
    begun = weights(solver)
    solver.close()
    assert all(difference(begun[what], on_one("alexnet")[what]) > 0.01 for what in begun)


@pytest.mark.slow
@pytest.mark.parametrize("split", ["groups", "batch", "hybrid"])
@pytest.mark.parametrize(
    "extra", ["clip_gradients: 0.5", "iter_size: 3", "clip_gradients: 1 iter_size: 2", 'regularization_type: "L1"']
)
def test_everything_the_update_can_do(split: str, extra: str) -> None:
    text = SOLVER % "BINARYPROTO" + extra
    same(trained("lenet", devices(2), 6, text, split=split), on_one("lenet", 6, extra))


@pytest.mark.slow
@pytest.mark.parametrize("form", ["BINARYPROTO", "HDF5"])
def test_snapshots_are_the_same_files(form: str, tmp_path: Path) -> None:
    """Byte for byte: weights and momentum read on any devices and written again; the side file alone tells of a division."""
    begun = tmp_path / "0"
    begun.mkdir()
    solver = solver_for("alexnet", "cpu", SOLVER % form, out=begun)
    solver.step(3)
    state = solver.snapshot()
    solver.close()
    before = contents(begun)
    for number, (where, split) in enumerate([(2, "groups"), (2, "batch"), (3, "hybrid"), (4, "groups")], start=1):
        out = tmp_path / str(number)
        out.mkdir()
        solver = solver_for("alexnet", devices(where), SOLVER % form, out=out, split=split)
        solver.restore(state)
        solver.snapshot()
        solver.close()
        assert contents(out) == before, (where, split)


def contents(out: Path) -> dict[str, bytes]:
    """The files in a directory, but for its name, the checksums of files that have it, and how the net was divided."""
    found = {path.name: path.read_bytes().replace(str(out).encode(), b"") for path in out.iterdir()}
    own = rb'"crc32": "\w+"|"(?:split|nodes)": \S+'
    return {name: re.sub(own, b"", data) if name.endswith(".json") else data for name, data in found.items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((devices(2), "groups"), ("cpu", None)),
        (("cpu", None), (devices(2), "groups")),
        ((devices(2), "groups"), (devices(3), "batch")),
        ((devices(2), "batch"), (devices(2), "hybrid")),
    ],
)
def test_a_run_can_move(before: tuple[str, str], after: tuple[str, str], tmp_path: Path) -> None:
    solver = solver_for("alexnet", before[0], split=before[1], out=tmp_path)
    solver.step(9)
    state = solver.snapshot()
    solver.close()
    solver = solver_for("alexnet", after[0], split=after[1], out=tmp_path)
    solver.restore(state)
    solver.step(11)
    found = weights(solver) | states(solver)
    solver.close()
    same(found, on_one("alexnet"))


@pytest.mark.slow
def test_a_run_goes_on_bit_for_bit_on_the_same_devices(tmp_path: Path) -> None:
    whole = trained("alexnet", devices(2), 12)
    solver = solver_for("alexnet", devices(2), out=tmp_path)
    solver.step(7)
    state = solver.snapshot()
    solver.close()
    solver = solver_for("alexnet", devices(2), out=tmp_path)
    solver.restore(state)
    solver.step(5)
    for what, values in weights(solver).items():
        np.testing.assert_array_equal(values, whole[what], what)
    solver.close()


def test_test_nets_share_the_weights_where_they_lie(tmp_path: Path) -> None:
    """They run on the same devices; batches of another size may leave some without work."""
    text = SOLVER % "BINARYPROTO" + "test_iter: 2 test_interval: 2"
    net = tmp_path / "net.net"
    net.write_text(SMALL)
    scores = []
    for where, split in (("cpu", None), (devices(2), "groups"), (devices(2), "batch"), (devices(3), "hybrid")):
        solver = Solver(text, net, where, split=split, out=tmp_path)
        results = []
        for _ in range(5):
            if solver.test_due:
                results.append(solver.test())
            solver.iterate()
        scores.append([result[0].outputs for result in results if result])
        solver.close()
    for other in scores[1:]:
        assert [r.keys() for r in other] == [r.keys() for r in scores[0]]
        for mine, theirs in zip(scores[0], other, strict=True):
            assert all(mine[name] == pytest.approx(theirs[name], rel=1e-3) for name in mine)


@pytest.mark.parametrize(("text", "count"), [("BY_HAND", 2), ("TOWERS", 3)])
def test_test_nets_follow_what_only_the_training_net_says(text: str, count: int, tmp_path: Path) -> None:
    """A device or groups that are there in training alone decide where weights lie; the test net finds them there."""
    net = tmp_path / "net.net"
    net.write_text(SMALL.replace(CONV, {"BY_HAND": BY_HAND, "TOWERS": TOWERS}[text]))
    scores = []
    for where in ("cpu", devices(count)):
        solver = Solver(SOLVER % "BINARYPROTO" + "test_iter: 2 test_interval: 2", net, where, out=tmp_path)
        solver.step(2)
        scores.append(solver.test()[0].outputs)
        solver.close()
    assert scores[1] == pytest.approx(scores[0], rel=1e-4)


CONV = 'layer conv: Convolution(data) { num_output: 6 kernel_size: 3 weight_filler { type: "xavier" } }'
BY_HAND = f"train {CONV[:-1]} device: 1 }}\ntest {CONV}"
TOWERS = f"""{CONV}
train layer towers: Convolution(conv) {{ num_output: 6 kernel_size: 3 group: 2 weight_filler {{ type: "xavier" }} }}
train layer more: InnerProduct(towers) {{ num_output: 3 weight_filler {{ type: "xavier" }} }}
train layer early: SoftmaxWithLoss(more, label)
"""
SMALL = """
name: "small"
train layer data: DummyData -> data, label {
  shape { dim: [6, 3, 12, 12] } shape { dim: 6 } data_filler { type: "gaussian" std: 1 } data_filler { type: "uniform" max: 2.9 }
}
test layer data: DummyData -> data, label {
  shape { dim: [3, 3, 12, 12] } shape { dim: 3 } data_filler { type: "gaussian" std: 1 } data_filler { type: "uniform" max: 2.9 }
}
layer conv: Convolution(data) { num_output: 6 kernel_size: 3 weight_filler { type: "xavier" } }
layer relu: ReLU(conv) -> conv
layer drop: Dropout(conv) -> conv { dropout_ratio: 0.4 }
layer fc: InnerProduct(conv) { num_output: 3 weight_filler { type: "gaussian" std: 0.05 } }
layer loss: SoftmaxWithLoss(fc, label)
test layer accuracy: Accuracy(fc, label)
"""
