"""Each of some iterations by itself: from one device's weights and momentum, several devices come to the same, to float32 rounding.

What a run comes to after 20 iterations of its own (test_training) holds roundings that the steps have amplified.  Here every
iteration begins with what one device had, so that its own rounding is all there is, and the nets keep their kinks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from math import sqrt
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import netdef
from netdef.graph.cuts import Regions, Share
from netdef.layers.lrn import Neighbours
from runtime.kernels.cpu.registry import CPU_KERNELS
from runtime.solver.solver import Solver
from tests.marks import slow_except
from tests.runtime.compiler.placement.nets import SIDES, devices, text_of

SOLVER = 'base_lr: 0.002 lr_policy: "fixed" momentum: 0.9 weight_decay: 0.0005 max_iter: 20 random_seed: 3'
DEPTH = {"alexnet": 8, "caffenet": 8, "lenet": 4, "googlenet": 12}  # layers with weights, one after another
GOOGLENET_SIDE = 64  # of its images: the aux classifiers ask for no more
ITERATIONS = {"lenet": 20, "alexnet": 10, "caffenet": 10, "googlenet": 6}

# A float32 is off by at most UNIT of itself.  Of K terms added one by one the sums on the way grow as sqrt(k), and each is rounded:
# the last is off by about UNIT sqrt(K / 6), and two in different orders are apart by SUM UNIT, for some 600 terms.  A gradient has
# come through DEPTH such sums or more, which err independently of each other: it is off by sqrt(DEPTH) times as much.
UNIT = 2.0**-24
SUM = sqrt(2 * 600 / 6)
JUMPS = 2  # in so many iterations a rounding may decide on which side of zero a ReLU's input lies, or which of a window is largest:
JUMP = 5e-2  # how far a gradient jumps then

SPLITS = ("groups", "batch", "hybrid")
WAYS = [("lenet", count, split) for count in (2, 3, 4) for split in SPLITS]
# Of the nets that take longer each count and each split.
WAYS += [("alexnet", count, split) for count, split in zip((3, 4, 2), SPLITS, strict=True)]
WAYS += [("caffenet", count, split) for count, split in zip((4, 2, 3), SPLITS, strict=True)]
WAYS += [("googlenet", count, split) for count, split in zip((2, 3, 4), SPLITS, strict=True)]

Values = dict[str, np.ndarray]


@dataclass(frozen=True)
class Iteration:
    """What an iteration of one device began with, was fed, and came to."""

    weights: Values
    momentum: Values
    feeds: Values
    loss: float
    gradients: Values
    after: Values


@dataclass(frozen=True)
class Apart:
    """How far several devices are from one device after an iteration, relatively; of gradients the layer where it is most."""

    loss: float
    gradients: float
    weights: float  # as a share of what rounding may come to


@pytest.mark.parametrize(("name", "count", "split"), slow_except("lenet", WAYS))
def test_every_iteration_is_the_same_to_rounding(name: str, count: int, split: str) -> None:
    check(name, count, split)


@pytest.mark.slow
def test_a_channel_lost_at_the_seam_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    on_one_device("caffenet")
    share = Neighbours.share

    def short(self: Neighbours, layer: Any, tops: Regions) -> Share | None:
        return share(self, SimpleNamespace(size=layer.size - 2, group=layer.group, tops=layer.tops), tops)

    monkeypatch.setattr(Neighbours, "share", short)
    with pytest.raises(AssertionError):
        check("caffenet", 2, "groups")


@pytest.mark.parametrize("name", slow_except("lenet", ["alexnet", "lenet"]))
def test_one_gradient_off_by_a_hundred_thousandth_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    on_one_device(name)
    kernel = CPU_KERNELS["inner_product_weight_gradient"]

    def wrong(begin: int, end: int, x: np.ndarray, dy: np.ndarray, dw: np.ndarray, *rest: Any) -> None:
        kernel.function(begin, end, x, dy, dw, *rest)
        if len(dw) <= 5:  # the classifier's, or a device's share of it
            dw *= np.float32(1 + 1e-5)

    monkeypatch.setitem(CPU_KERNELS, kernel.name, replace(kernel, function=wrong))
    with pytest.raises(AssertionError):
        check(name, 2, "groups")


def check(name: str, count: int, split: str) -> None:
    found = list(apart(name, devices(count), split))
    rounding = SUM * sqrt(DEPTH[name]) * UNIT
    gradients = sorted(iteration.gradients for iteration in found)
    assert max(iteration.loss for iteration in found) < rounding
    assert gradients[-1 - JUMPS] < rounding, gradients
    assert gradients[-1] < JUMP, gradients
    weights = sorted(iteration.weights for iteration in found)
    assert weights[-1 - JUMPS] < 1, weights


def apart(name: str, where: str, split: str) -> Iterator[Apart]:
    """Of each iteration."""
    rounding = SUM * sqrt(DEPTH[name]) * UNIT
    solver = solver_for(name, where, split)
    for one in on_one_device(name):
        for p in solver.executable.net.parameters:
            solver.executable.set_param(p.layer.name, p.index, one.weights[str(p)])
            solver.executable.set_state(p, "history", one.momentum[str(p)])
        loss = solver.iterate(**one.feeds).loss
        found, expected = by_layer(gradients_of(solver)), by_layer(one.gradients)
        after = weights_of(solver)
        yield Apart(
            abs(loss - one.loss) / one.loss,
            max(norm(found[layer] - expected[layer]) / max(norm(expected[layer]), 1e-30) for layer in expected),
            # The step's rounding, and once that of writing down its result: up to a unit in the last place, which is 2 UNIT.
            max(
                norm(after[p] - one.after[p]) / (rounding * norm(one.after[p] - one.weights[p]) + 2 * UNIT * norm(one.after[p]))
                for p in after
            ),
        )
    solver.close()


@cache
def on_one_device(name: str) -> list[Iteration]:
    solver = solver_for(name, "cpu")
    found = []
    for number in range(ITERATIONS[name]):
        begun, fed = weights_of(solver), feeds(solver, number)
        momentum = {str(p): solver.executable.state(p, "history") for p in solver.executable.net.parameters}
        loss = solver.iterate(**fed).loss
        found.append(Iteration(begun, momentum, fed, loss, gradients_of(solver), weights_of(solver)))
    solver.close()
    return found


def solver_for(name: str, where: str, split: str | None = None) -> Solver:
    text = text_of(name)
    if name == "googlenet":
        text = re.sub(rf"\b{SIDES[name]}\b", str(GOOGLENET_SIDE), text)
    return Solver(SOLVER, netdef.parse(text, phase="train"), where, threads=2, split=split, keep="activations")


def feeds(solver: Solver, number: int) -> Values:
    """Images and labels of an iteration."""
    random = np.random.default_rng(number)
    data, label = (solver.executable.net.blobs[name].shape for name in ("data", "label"))
    return {"data": random.standard_normal(data, np.float32), "label": random.integers(0, 5, label).astype(np.float32)}


def weights_of(solver: Solver) -> Values:
    return {str(p): solver.executable.param(p.layer.name, p.index) for p in solver.executable.net.parameters}


def gradients_of(solver: Solver) -> Values:
    return {str(p): solver.executable.param_grad(p.layer.name, p.index) for p in solver.executable.net.parameters}


def by_layer(values: Values) -> Values:
    """Weights and biases as one: of biases alone much may cancel, and rounding be large beside what is left."""
    layers: dict[str, list[np.ndarray]] = {}
    for name, array in values.items():
        layers.setdefault(name.rpartition("/")[0], []).append(array.ravel())
    return {layer: np.concatenate(arrays) for layer, arrays in layers.items()}


def norm(values: np.ndarray) -> float:
    return float(np.linalg.norm(values))
