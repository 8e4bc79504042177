"""Scripts of pycaffe on a card: what they read and write there, where even parameters are copies."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from runtime import pycaffe as caffe
from tests.runtime.machine.cuda.fake_cupy import Cards
from tests.runtime.pycaffe.nets import SIMPLE, give_labels, solver_file, written


@pytest.fixture
def on_card(machine: Callable[..., Cards], execute: Callable) -> Iterator[Callable[[bool], None]]:
    """Calling it sets the mode; the seed is the same each time."""
    machine(execute=execute, seed=2)

    def set_mode(gpu: bool) -> None:
        (caffe.set_mode_gpu if gpu else caffe.set_mode_cpu)()
        caffe.set_random_seed(3)

    yield set_mode
    caffe.set_mode_cpu()


def test_nets(on_card, tmp_path):
    file, found = written(tmp_path, SIMPLE), []
    for gpu in (False, True):
        on_card(gpu)
        net, other = caffe.Net(file, caffe.TRAIN), caffe.Net(file, caffe.TEST)
        assert net._engine.executable.device.name == ("gpu:0" if gpu else "cpu:0")
        give_labels(net, other)
        weights, scores = net.params["ip"][0].data, net.blobs["scores"].data
        weights[...] *= 0.5
        net.forward()
        first = scores.copy()
        other.share_with(net)
        weights[...] = 0.25
        other.blobs["conv"].data[...] = net.blobs["conv"].data
        net.blobs["conv"].data[:, :5] = 1
        net.forward(start="ip")
        net.backward()
        other.forward(start="ip", end="ip")
        net.save(str(tmp_path / "w"))
        weights[...] = 0
        net.copy_from(str(tmp_path / "w"))
        assert np.all(weights == 0.25) and net.params["ip"][0].data is weights is other.params["ip"][0].data
        found.append([first, scores.copy(), other.blobs["scores"].data, net.params["ip"][0].diff, net.blobs["data"].diff])
    for on_cpu, on_gpu in zip(*found, strict=True):
        assert np.abs(on_cpu).max() > 0 and np.allclose(on_cpu, on_gpu, rtol=1e-4, atol=1e-4)


def test_solvers(on_card, tmp_path):
    path, found = solver_file(tmp_path), []
    for gpu in (False, True):
        on_card(gpu)
        solver = caffe.SGDSolver(path)
        give_labels(solver.net, *solver.test_nets)
        weights = solver.net.params["ip"][0].data
        weights[...] *= 0.1
        solver.step(2)
        trained = weights.copy()
        solver.net.params["ip"][1].diff[...] = 1
        solver.apply_update()
        (test,) = solver.test_nets
        test.forward()
        found.append([trained, weights, solver.net.params["ip"][1].data, test.blobs["scores"].data])
    for on_cpu, on_gpu in zip(*found, strict=True):
        assert np.allclose(on_cpu, on_gpu, rtol=1e-3, atol=1e-4)
