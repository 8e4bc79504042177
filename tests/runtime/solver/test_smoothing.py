"""The smoothed loss is the mean of the last iterations, and survives a snapshot."""

import json

import pytest

from runtime.solver.smoothing import SmoothedLoss


def test_window_of_one_shows_the_loss_itself():
    smoothed = SmoothedLoss(1)
    for loss in [3.0, 1.0, 2.0]:
        smoothed.add(loss)
        assert smoothed.value == pytest.approx(loss)


def test_mean_of_the_last():
    smoothed = SmoothedLoss(3)
    means = []
    for loss in [1.0, 2.0, 6.0, 10.0, 2.0]:
        smoothed.add(loss)
        means.append(smoothed.value)
    assert means == pytest.approx([1, 1.5, 3, 6, 6])


@pytest.mark.parametrize("before", [2, 3, 7])
def test_a_restored_mean_goes_on_exactly(before):
    losses = [0.1 * index**1.5 for index in range(12)]
    whole, first, second = SmoothedLoss(3), SmoothedLoss(3), SmoothedLoss(3)
    for loss in losses:
        whole.add(loss)
    for loss in losses[:before]:
        first.add(loss)
    second.restore(json.loads(json.dumps(first.state())))
    for loss in losses[before:]:
        second.add(loss)
    assert second.value == whole.value


def test_another_window_takes_what_fits():
    first, second = SmoothedLoss(4), SmoothedLoss(2)
    for loss in [1.0, 2.0, 3.0]:
        first.add(loss)
    second.restore(first.state())
    assert second.value == 2.5


def test_nothing_yet():
    assert SmoothedLoss(3).value == 0


def test_no_rounding_errors_stay_behind():
    smoothed = SmoothedLoss(3)
    for loss in [0.1, 0.2, 0.3, 0.0, 0.0, 0.0]:
        smoothed.add(loss)
    assert smoothed.value == 0
