"""The rate of each iteration by every policy."""

import math

import pytest

from netdef.schema import message_class
from netdef.solver_file import POLICIES as NAMES
from netdef.solver_file.learning_rate import POLICIES, LearningRate


def rates(iterations, **fields):
    rate = LearningRate(message_class("SolverParameter")(base_lr=0.5, **fields))
    return [rate.at(iteration) for iteration in iterations]


def test_fixed():
    assert rates([0, 10**6], lr_policy="fixed") == [0.5, 0.5]


def test_step():
    assert rates([0, 2, 3, 8, 9], lr_policy="step", gamma=0.5, stepsize=3) == [0.5, 0.5, 0.25, 0.125, 0.0625]


def test_exp():
    assert rates([0, 1, 3], lr_policy="exp", gamma=0.5) == [0.5, 0.25, 0.0625]


def test_inv():
    assert rates([0, 4], lr_policy="inv", gamma=2, power=0.5) == pytest.approx([0.5, 0.5 / 3])


def test_multistep():
    got = rates(range(7), lr_policy="multistep", gamma=0.5, stepvalue=[2, 5])
    assert got == [0.5, 0.5, 0.25, 0.25, 0.25, 0.125, 0.125]


def test_multistep_takes_one_step_an_iteration():
    assert rates([0, 5, 6], lr_policy="multistep", gamma=0.5, stepvalue=[2, 4]) == [0.5, 0.25, 0.125]


def test_poly_ends_at_zero_and_stays():
    assert rates([0, 5, 10, 11], lr_policy="poly", power=2, max_iter=10) == [0.5, 0.125, 0, 0]


def test_sigmoid_falls_where_gamma_is_negative():
    got = rates([0, 4, 8], lr_policy="sigmoid", gamma=0.75, stepsize=4)
    assert got == pytest.approx([0.5 / (1 + math.exp(3)), 0.25, 0.5 / (1 + math.exp(-3))])


def test_sigmoid_does_not_overflow():
    assert rates([0], lr_policy="sigmoid", gamma=10, stepsize=10000)[0] == pytest.approx(0)


def test_cosine_ends_at_min_lr_and_stays():
    got = rates([0, 2, 4, 8, 9], lr_policy="cosine", max_iter=8, min_lr=0.25)
    assert got == pytest.approx([0.5, 0.375 + 0.125 * math.sqrt(0.5), 0.375, 0.25, 0.25])


def test_poly_ends_at_min_lr():
    assert rates([0, 5, 10, 11], lr_policy="poly", power=2, max_iter=10, min_lr=0.25) == [0.5, 0.3125, 0.25, 0.25]


def test_no_rate_is_below_min_lr():
    assert rates([0, 1, 2, 3], lr_policy="exp", gamma=0.5, min_lr=0.125) == [0.5, 0.25, 0.125, 0.125]


def test_multifixed():
    assert rates(range(6), lr_policy="multifixed", stagelr=[1, 2, 3], stageiter=[0, 2, 4]) == [1, 2, 2, 3, 3, 3]


def test_warm_up_in_a_straight_line():
    got = rates(range(6), lr_policy="fixed", warmup_iter=4, warmup_start_lr=0.25)
    assert got == [0.25, 0.3125, 0.375, 0.4375, 0.5, 0.5]


def test_warm_up_by_squares():
    got = rates(range(6), lr_policy="fixed", rampup_interval=4, rampup_lr=0.25)
    assert got == [0.25, 0.265625, 0.3125, 0.390625, 0.5, 0.5]


def test_behind_a_warm_up_the_policy_is_as_far_as_without_one():
    for policy in ({"lr_policy": "step", "gamma": 0.5, "stepsize": 2}, {"lr_policy": "cosine", "max_iter": 9}):
        assert rates(range(3, 9), warmup_iter=3, **policy) == rates(range(3, 9), **policy)


def plateau(patience=2, most=2):
    fields = {"lr_policy": "plateau", "gamma": 0.5, "plateau_patience": patience, "plateau_max": most}
    return LearningRate(message_class("SolverParameter")(base_lr=1, **fields))


def test_plateau_lowers_after_patience_and_at_most_so_often():
    rate = plateau()
    seen = []
    for accuracy in [0.1, 0.2, 0.2, 0.15, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3]:
        rate.observe(accuracy, higher_is_better=True)
        seen.append(rate.at(0))
    assert seen == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.25]


def test_plateau_of_a_loss_wants_it_lower():
    rate = plateau(patience=1)
    assert [rate.observe(loss, higher_is_better=False) for loss in [2, 1, 1.5]] == [False, False, True]


def test_a_metric_that_is_no_number_is_no_improvement():
    rate = plateau(patience=2)
    assert [rate.observe(loss, False) for loss in [float("nan"), 3.0, float("nan"), 2.0]] == [False] * 4
    assert rate.best == -2.0


def test_plateau_state_is_saved():
    rate = plateau(patience=3)
    for accuracy in [0.5, 0.4, 0.4]:
        rate.observe(accuracy, True)
    again = plateau(patience=3)
    again.restore(rate.state())
    assert again.observe(0.3, True)
    assert again.at(0) == 0.5


def test_there_is_a_policy_for_every_name_a_solver_may_use():
    assert set(POLICIES) == set(NAMES)
