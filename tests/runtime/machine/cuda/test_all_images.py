"""A test of all images on cards, whose last batch is a smaller one, has the CPU's results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import netdef
import runtime
from runtime.solver import results
from runtime.solver.remember import remember_results
from runtime.solver.testing import run_test
from tests.runtime.machine.cuda.fake_cupy import Cards

NET = """
layer data: ImageData -> data, label {{ source: "{}" batch_size: 3 new_height: 4 new_width: 4 transform_param {{ scale: 0.01 }} }}
layer fc: InnerProduct(data) {{ num_output: 8 weight_filler {{ type: "xavier" }} }}
layer loss: SoftmaxWithLoss(fc, label)
layer right: Accuracy(fc, label)
"""


def over_all(folder: Path, devices: str) -> list[results.TestResult | None]:
    net = netdef.parse(NET.format(folder))
    with runtime.compile(net, devices, seed=1, backward=False, update=remember_results) as exe:
        exe.open_sources()
        return [run_test(exe, None, iteration) for iteration in range(3)]


@pytest.mark.slow
@pytest.mark.parametrize("devices", ["gpu:0", "gpu:0,gpu:1"])
def test_the_last_batch(
    machine: Callable[..., Cards], execute: Callable, rounds: Callable[[int], None], tmp_path: Path, devices: str
) -> None:
    """Eleven images in batches of 3, three times, with a ring that is read before it is full."""
    random = np.random.default_rng(2)
    for number in range(11):
        path = tmp_path / str(number % 2) / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(random.integers(0, 256, (4, 4, 3), dtype=np.uint8)).save(path)
    rounds(4)
    expected = over_all(tmp_path, devices.replace("gpu", "cpu"))
    machine(count=2, execute=execute, seed=1)
    for mine, theirs in zip(over_all(tmp_path, devices), expected, strict=True):
        assert mine is not None and theirs is not None
        assert mine.images == theirs.images == 11
        assert mine.loss == pytest.approx(theirs.loss, rel=1e-4)
        assert mine.outputs == pytest.approx(theirs.outputs, rel=1e-4)
