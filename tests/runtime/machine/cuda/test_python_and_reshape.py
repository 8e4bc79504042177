"""Python layers on cards: their blobs come to the host and go back, in the order of the kernels before and behind; and reshapes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import runtime
from runtime.solver.solver import Solver
from tests.marks import slow_except
from tests.runtime.machine.cuda.fake_cupy import Cards
from tests.runtime.machine.cuda.networks import SOLVER
from tests.runtime.machine.test_reshape import SHAPES, image, net
from tests.runtime.ops.python.layers import modules_in, write

pytestmark = pytest.mark.filterwarnings("ignore::runtime.ops.python.modules.UserCodeRemark")

CODE = """
import caffe
import numpy as np

class Source(caffe.Layer):
    def setup(self, bottom, top):
        self.random = np.random.default_rng(int(self.param_str))
    def reshape(self, bottom, top):
        self.n = getattr(self, "n", -1) + 1
        self.shape = (4, 3, 6, 6 + (self.n // 2 % 2 if self.phase == 0 else 0))
        top[0].reshape(*self.shape)
        top[1].reshape(4)
    def forward(self, bottom, top):
        top[0].data[...] = self.random.standard_normal(self.shape)
        top[1].data[...] = self.random.integers(0, 3, 4)
    def backward(self, top, propagate_down, bottom):
        pass

class Scaled(caffe.Layer):
    def setup(self, bottom, top):
        self.blobs.add_blob(4)
        self.blobs[0].data[...] = 1
    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].shape)
    def forward(self, bottom, top):
        top[0].data[...] = np.tanh(bottom[0].data) * self.blobs[0].data[:, None, None]
    def backward(self, top, propagate_down, bottom):
        through = np.tanh(bottom[0].data)
        bottom[0].diff[...] = top[0].diff * (1 - through**2) * self.blobs[0].data[:, None, None]
        self.blobs[0].diff[...] = (top[0].diff * through).sum(axis=(0, 2, 3))
"""
NET = """
name: "python between kernels"
layer data: Python -> data, label { module: "between" layer: "Source" param_str: "5" }
layer conv: Convolution(data) { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } }
layer own: Python(conv) -> own { module: "between" layer: "Scaled" }
layer relu: ReLU(own) -> own
layer pool: Pooling(own) { pool: AVE global_pooling: true }
layer fc: InnerProduct(pool) { num_output: 3 weight_filler { type: "xavier" } }
layer loss: SoftmaxWithLoss(fc, label)
"""


def trained(folder: Path, devices: str) -> tuple[list, list[float]]:
    with Solver(SOLVER % (1, -1), write(folder, "a.net", NET), devices, allow_python=True) as solver:
        losses = [solver.iterate() for _ in range(6)]
        net = solver.executable.net
        return [solver.executable.param(p.layer.name, p.index) for p in net.parameters], [one.loss for one in losses]


@pytest.mark.slow
@pytest.mark.parametrize("devices", ["gpu:0", "gpu:0,gpu:1"])
def test_training_has_the_cpus_numbers(
    machine: Callable[..., Cards],
    execute: Callable,
    tmp_path: Path,
    devices: str,
) -> None:
    write(tmp_path, "between.py", CODE)
    with modules_in(tmp_path):
        expected, losses = trained(tmp_path, devices.replace("gpu", "cpu"))
        machine(count=2, execute=execute, seed=1)
        found, same = trained(tmp_path, devices)
    assert len(set(losses)) == 6
    assert same == pytest.approx(losses, rel=1e-4)
    for mine, theirs in zip(found, expected, strict=True):
        assert mine == pytest.approx(theirs, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("devices", slow_except("gpu:0", ["gpu:0", "gpu:0,gpu:1"]))
def test_reshape(machine: Callable[..., Cards], execute: Callable, devices: str) -> None:
    """Each shape runs three times, so that it is captured as a graph and replayed."""
    expected = reshaped(devices.replace("gpu", "cpu"))
    machine(count=2, execute=execute, seed=1)
    for mine, theirs in zip(reshaped(devices), expected, strict=True):
        assert mine == pytest.approx(theirs, rel=1e-3, abs=1e-5)


def reshaped(devices: str) -> list[np.ndarray]:
    results = []
    with runtime.compile(net(), devices, seed=1, backward=False) as exe:
        for shape in ((1, 3, 12, 14), *SHAPES):
            exe.reshape(data=shape)
            results += [exe.forward(data=image(shape) + run)["conv2"] for run in range(3)]
    return results
