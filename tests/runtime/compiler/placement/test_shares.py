"""A network in four shares, on one device, two, three and four: the same weights after some iterations, to the bit.

The nets keep their ReLUs and maxima: no sum is made in another order, so that there is nothing for a rounding to decide.
A difference, once there, stays, as updates carry it on: LeNet runs 20 iterations, the others 5.
"""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netdef
import runtime
from netdef.schema import message_class
from runtime.compiler import pipeline
from runtime.compiler.pipeline import compile_program
from runtime.compiler.placement.place import place
from runtime.ir.division import Division
from runtime.ir.program import Program
from runtime.machine.open import device_names, hosts_of, open_devices
from runtime.machine.schedule import find_waits
from runtime.solver.solver import Solver
from runtime.solver.update import updates
from tests.runtime.compiler.placement.nets import devices, feeds, text_of
from tests.runtime.compiler.placement.test_training import NOISE, SIDES, contents, without_input
from tests.runtime.machine.test_schedule import races

FOUR = {1: "cpu:0,cpu:0,cpu:0,cpu:0", 2: "cpu:0,cpu:1,cpu:1,cpu:0", 3: "cpu:2,cpu:0,cpu:0,cpu:1", 4: "cpu:0-3"}
SPLITS = ("groups", "batch", "hybrid")
# Each net with each split and each count, each split with each count.
WAYS = [("lenet", split, count) for split in SPLITS for count in (1, 2, 3)]
WAYS += [("alexnet", split, count) for split, count in zip(SPLITS, (1, 2, 3), strict=True)]
WAYS += [("caffenet", split, count) for split, count in zip(SPLITS, (2, 3, 1), strict=True)]
WAYS += [("googlenet", "groups", 3)]
SOLVER = """
base_lr: 0.002 lr_policy: "fixed" momentum: 0.9 weight_decay: 0.001 max_iter: 20 random_seed: 3 snapshot_prefix: "run"
"""
CLIPPED = "clip_gradients: 0.5 iter_size: 2"
ITERATIONS = {"lenet": 20}
OF_ALL = (CLIPPED, f'type: "Adam" {CLIPPED}', "larc: true larc_eta: 0.1")  # what needs sums over all devices


def solver_for(name: str, where: str, split: str, more: str = "", **options: Path) -> Solver:
    noise = NOISE.format(channels=1 if name == "lenet" else 3, side=SIDES[name])
    net = netdef.parse(noise + without_input(text_of(name)), phase="train")
    return Solver(SOLVER + more, net, where, threads=3, split=split, keep="activations", **options)


def trained(name: str, where: str, split: str, more: str = "", iterations: int = 5) -> dict[str, np.ndarray]:
    """Losses, and what the last iteration had and came to: blobs, masks among them, gradients, weights and momentum."""
    solver = solver_for(name, where, split, more)
    exe = solver.executable
    found = {f"loss {number}": np.asarray(solver.iterate().loss) for number in range(iterations)}
    found |= {f"blob {blob}": exe.blob(blob) for blob in exe.net.blobs}
    for p in exe.net.parameters:
        found[f"weights {p}"] = exe.param(p.layer.name, p.index)
        found[f"gradient {p}"] = exe.param_grad(p.layer.name, p.index)
        found[f"momentum {p}"] = exe.state(p, "history")
    solver.close()
    return found


@cache
def on_four(name: str, split: str) -> dict[str, np.ndarray]:
    return trained(name, FOUR[4], split, iterations=ITERATIONS.get(name, 5))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "split", "count"), WAYS)
def test_weights_after_some_iterations(name: str, split: str, count: int) -> None:
    found, expected = trained(name, FOUR[count], split, iterations=ITERATIONS.get(name, 5)), on_four(name, split)
    assert found.keys() == expected.keys()
    assert [what for what in expected if not np.array_equal(found[what], expected[what])] == []


@pytest.mark.slow
def test_another_number_of_shares_rounds_otherwise() -> None:
    found, expected = (trained("googlenet", where, "groups", iterations=2) for where in ("cpu:0,cpu:0,cpu:0", FOUR[1]))
    assert any(not np.array_equal(found[what], expected[what]) for what in expected if what.startswith("weights"))


@pytest.mark.slow
@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("more", OF_ALL)
def test_norms_and_sub_batches(more: str, split: str) -> None:
    """Sums of squares are sent in float64."""
    found, expected = (trained("lenet", FOUR[count], split, more, iterations=4) for count in (1, 4))
    assert [what for what in expected if not np.array_equal(found[what], expected[what])] == []


def test_a_run_moves_between_devices(tmp_path: Path) -> None:
    """Three iterations on one device, three on two, and the files of six on four."""
    (first, second, straight), split = [tmp_path / name for name in "abc"], "groups"
    for folder in (first, second, straight):
        folder.mkdir()
    for where, out, iterations, resume in (
        (FOUR[1], first, 3, None),
        (FOUR[2], second, 3, first / "run_iter_3.solverstate"),
        (FOUR[4], straight, 6, None),
    ):
        solver = solver_for("lenet", where, split, out=out)
        if resume is not None:
            solver.restore(resume)
        solver.step(iterations)
        solver.snapshot()
        solver.close()
    assert contents(second) == {name: data for name, data in contents(straight).items() if "_6." in name}
    assert len(contents(second)) >= 2


@pytest.mark.slow
def test_outputs_of_a_net_compiled_for_inference() -> None:
    found = []
    for where in FOUR.values():
        with runtime.compile(netdef.parse(text_of("googlenet"), phase="train"), where, backward=False, seed=5) as exe:
            found.append(exe.forward(**feeds(exe.net)))
    for outputs in found[:3]:
        assert all(np.array_equal(outputs[name], found[3][name]) for name in found[3])


# The program


@cache
def net_of(name: str) -> netdef.Net:
    return netdef.parse(text_of(name), phase="train")


@cache
def placed(*request: Any) -> Division:
    """A net's placement, which cannot depend on the hosts: it is not asked with them."""
    return place(*request)


def program_for(where: str, split: str, name: str) -> Program:
    update = updates(message_class("SolverParameter")(clip_gradients=1.0))
    hosts = hosts_of(device_names(where))
    options = {"split": split, "keep": "activations", "losses_only": True, "update": update}
    return compile_program(net_of(name), devices=len(hosts), hosts=hosts, **options)


def kernels(program: Program) -> list[str]:
    return [one.kernel for one in program.instructions]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "split"), [("googlenet", "groups"), ("alexnet", "batch"), ("alexnet", "hybrid")])
def test_only_what_crosses_is_sent(name: str, split: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernels are the same; within a device a copy takes the place of a send."""
    monkeypatch.setattr(pipeline, "place", placed)
    programs = [program_for(FOUR[count], split, name) for count in (1, 2, 4)]
    sent = [kernels(program).count("send") for program in programs]
    assert sent[0] == 0 < sent[1] < sent[2]
    for program in programs:
        as_sent = ["copy" if kernel == "send" else kernel for kernel in kernels(program)]
        assert as_sent == ["copy" if kernel == "send" else kernel for kernel in kernels(programs[2])]
        for one in program.instructions:
            hosts = {program.division.hosts[buffer.device] for buffer in one.buffers}
            assert len(hosts) == 1 + (one.kernel == "send")


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("count", [2, 3])
def test_no_race_is_left(split: str, count: int) -> None:
    program, hosts = program_for(FOUR[count], split, "alexnet"), hosts_of(device_names(FOUR[count]))
    steps = [*program.instructions]
    assert not list(races(steps, find_waits(steps, program.plan.span, hosts), program.plan.span, hosts))


def test_one_device_has_all_threads_and_is_opened_once() -> None:
    opened = open_devices("cpu:0,cpu:1,cpu:0", 5)
    assert [device.name for device in opened] == ["cpu:0", "cpu:1", "cpu:0"]
    assert opened[0] is opened[2]
    assert [device.threads for device in opened] == [3, 2, 3]
    for device in opened[:2]:
        device.close()
    with runtime.compile("lenet", "cpu:0,cpu:0", threads=2) as exe:
        assert exe.threads == 2
    with runtime.compile("lenet", devices(2), threads=2) as exe:
        assert exe.threads == 2
