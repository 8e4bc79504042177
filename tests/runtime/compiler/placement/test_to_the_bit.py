"""AlexNet of small images in two shares, on one device and on two: the same files, and runs that move between them.

Batches of 16 take convolutions by tiles where that pays.
"""

from pathlib import Path
from typing import Any

import pytest

from netdef.language.find import models_folder
from runtime.solver.solver import Solver
from tests.runtime.compiler.placement.nets import devices
from tests.runtime.compiler.placement.test_training import contents

SOLVER = """
base_lr: 0.002 lr_policy: "step" gamma: 0.5 stepsize: 3 momentum: 0.9 weight_decay: 0.0005 max_iter: 4 random_seed: 3
snapshot_prefix: "run" test_iter: 1 test_interval: 2
"""
SMALL = {
    "crop_size: 227": "crop_size: 67",
    "new_height: 256": "new_height: 80",
    "batch_size: 32": "batch_size: 16",
    "batch_size: 50": "batch_size: 10",
    "num_output: 4096": "num_output: 130",
    "num_output: 1000": "num_output: 21",
    "std: 0.01": "std: 0.04",
}
BY_HAND = {"Convolution(conv3) {": "Convolution(conv3) { device: 1", "InnerProduct(fc6) {": "InnerProduct(fc6) { device: 1"}
ONE_TOWER = {" group: 2": ""}


def alexnet(changes: dict[str, str]) -> str:
    text = (models_folder() / "alexnet.net").read_text()
    for old, new in {**SMALL, **changes}.items():
        assert old in text
        text = text.replace(old, new)
    return text


def run(net: Path, where: str, out: Path, extra: str, resume: Path | None = None) -> list[dict[str, Any]]:
    """Train for four iterations, with a snapshot after the second and the last; the results of tests."""
    out.mkdir(exist_ok=True)
    solver, tests = Solver(SOLVER + extra, net, where, threads=2, out=out), []
    if resume is not None:
        solver.restore(resume)
    while solver.iteration < 4:
        if solver.test_due:
            tests.append(solver.test()[0].outputs)
        solver.iterate()
        if solver.iteration % 2 == 0:
            solver.snapshot()
    solver.close()
    return tests


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "extra"),
    [({}, ""), (BY_HAND, "iter_size: 2 clip_gradients: 0.5 snapshot_format: HDF5"), (ONE_TOWER, 'regularization_type: "L1"')],
)
def test_files_are_the_same(changes: dict[str, str], extra: str, tmp_path: Path) -> None:
    net = tmp_path / "net.net"
    net.write_text(alexnet(changes))
    one, two, moved = (tmp_path / name for name in ("one", "two", "mov"))
    tested = run(net, "cpu:0,cpu:0", one, extra)
    assert run(net, devices(2), two, extra) == tested
    assert contents(two) == contents(one)
    moved.mkdir()
    for path in two.glob("*_2.*"):
        path.rename(moved / path.name)
    run(net, "cpu:0,cpu:0", moved, extra, next(moved.glob("*.solverstate*")))
    ends = {name: data for name, data in contents(one).items() if "_4." in name}
    assert len(ends) == 3
    assert {name: contents(moved)[name] for name in ends} == ends
