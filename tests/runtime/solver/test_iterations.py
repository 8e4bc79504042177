"""Losses that are read later: in order, no more than asked for, all at once, none of them lost."""

import math

import numpy as np
import pytest

import netdef
from runtime.solver import iterations as module
from runtime.solver.diverged import DivergedError
from runtime.solver.iterations import Iteration, Iterations
from runtime.solver.smoothing import SmoothedLoss

NET = "layer x: Input { shape { dim: 2 dim: 3 } }\nlayer loss: EuclideanLoss(x, x)\n"


class Device:
    """An executable that remembers losses; `reads`: those of which runs it was asked for, each time."""

    def __init__(self):
        self.net = netdef.parse(NET)
        (self.loss,) = self.net.outputs
        self.losses, self.reads = [], []

    def remembered(self, runs):
        self.reads.append(list(runs))
        return [{self.loss: np.float64(self.losses[run])} for run in runs]

    def first_non_finite(self):
        return "fc"


@pytest.fixture
def device():
    return Device()


@pytest.fixture
def smoothed():
    return SmoothedLoss(2)


def make(device, smoothed, batches=1):
    return Iterations(device, batches, smoothed)


@pytest.fixture
def iterations(device, smoothed):
    return make(device, smoothed)


def put(iterations, device, *losses):
    """Iterations of these losses, `batches` of them each."""
    made = []
    for _ in range(len(losses) // iterations.batches):
        step = Iteration(iterations, len(device.losses) // iterations.batches, 0.1)
        start = len(made) * iterations.batches
        device.losses += losses[start : start + iterations.batches]
        iterations.add(step)
        made.append(step)
    return made


def test_what_is_asked_for_is_read_with_all_before_it(iterations, device, smoothed):
    made = put(iterations, device, 1.0, 2.0, 4.0)
    assert device.reads == []
    assert made[1].loss == 2.0
    assert made[0].loss == 1.0
    assert made[1].smoothed == smoothed.value == 1.5
    assert device.reads == [[0, 1]]
    iterations.settle()
    iterations.settle()
    assert device.reads == [[0, 1], [2]]
    assert (made[0].smoothed, made[1].smoothed, made[2].smoothed, smoothed.value) == (1.0, 1.5, 3.0, 3.0)


def test_losses_are_read_before_others_overwrite_them(device, smoothed, monkeypatch):
    monkeypatch.setattr(module, "ROUNDS", 7)
    iterations = make(device, smoothed, batches=2)
    put(iterations, device, *[1.0] * 4)
    assert device.reads == []
    put(iterations, device, *[1.0] * 2)
    assert device.reads == [[0, 1, 2, 3, 4, 5]]
    put(iterations, device, *[1.0] * 6)
    assert device.reads[1:] == [[6, 7, 8, 9, 10, 11]]


def test_iterations_of_more_batches_than_are_remembered(device, smoothed, monkeypatch):
    """There are as many as one iteration needs, then."""
    monkeypatch.setattr(module, "ROUNDS", 2)
    iterations = make(device, smoothed, batches=3)
    put(iterations, device, 1.0, 2.0, 3.0, 3.0, 4.0, 5.0)
    assert device.reads == [[0, 1, 2], [3, 4, 5]]
    assert smoothed.value == 3.0


def test_the_first_iteration_that_diverged_is_named(iterations, device, smoothed):
    made = put(iterations, device, 1.0, math.nan, 3.0, math.inf)
    with pytest.raises(DivergedError, match=r"loss is nan at iteration 1\n"):
        iterations.settle()
    assert made[0].loss == 1.0
    assert smoothed.value == 1.0


def test_what_came_of_it_stays_bad(iterations, device, smoothed):
    made = put(iterations, device, 1.0, math.inf, 3.0)
    for ask in (iterations.settle, iterations.settle, made[1].settle, lambda: made[2].loss, lambda: made[2].smoothed):
        with pytest.raises(DivergedError, match=r"loss is inf at iteration 1\n"):
            ask()
    iterations.forget()
    iterations.settle()
    assert device.reads == [[0, 1, 2]]
    assert smoothed.value == 1.0


def test_the_loss_of_the_batch_that_diverged_is_named(device, smoothed):
    """Not the sum with what came after it, which would be no number."""
    iterations = make(device, smoothed, batches=3)
    (step,) = put(iterations, device, 1.0, math.inf, -math.inf)
    with pytest.raises(DivergedError, match=r"loss is inf at iteration 0\n"):
        step.settle()


def test_a_look_at_an_iteration_that_is_not_done(device, smoothed):
    iterations = make(device, smoothed, batches=2)
    step = Iteration(iterations, 0, 0.1)
    device.losses = [1.0, 2.0]
    step.read_losses(1)
    assert step.partial_loss == 0.5
    step.read_losses(2)
    iterations.add(step)
    assert (step.loss, smoothed.value) == (1.5, 1.5)
    assert device.reads == [[0], [0, 1]]
    device.losses += [math.nan, 0.0]
    with pytest.raises(DivergedError, match="loss is nan at iteration 1: the first output that is not finite is of fc"):
        Iteration(iterations, 1, 0.1).read_losses(1)
    iterations.settle()  # it is none of those that were done


def test_what_is_forgotten_is_not_read(iterations, device, smoothed):
    put(iterations, device, 1.0)
    iterations.forget()
    iterations.settle()
    assert device.reads == []
    assert smoothed.value == 0.0
