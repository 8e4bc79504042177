"""What a log has to draw."""

import math

import pytest

from runtime.solver.curves import curves_of, running_mean


def records(smoothed=False):
    found = []
    for n in range(0, 60, 10):
        loss = 3 - n / 20
        found.append(
            {"event": "train", "iteration": n, "epoch": n / 20, "batch_loss": loss, "loss": loss / 2 if smoothed else loss}
        )
        outputs = {"top1": n / 100, "loss": 1.0}
        found.append(
            {
                "event": "test",
                "iteration": n,
                "net": 0,
                "loss": None if n == 20 else 1.0,
                "outputs": outputs,
                "accuracies": ["top1"],
            }
        )
    return found


def test_a_solver_that_smooths_is_drawn_as_it_says():
    assert curves_of("a", records(smoothed=True)).loss[1] == [1.5, 1.25, 1.0, 0.75, 0.5, 0.25]


def test_one_that_does_not_is_smoothed():
    run = curves_of("a", records())
    assert run.batches[1] == [3.0, 2.5, 2.0, 1.5, 1.0, 0.5]
    assert run.loss[1] == pytest.approx([3.0, 2.75, 2.5, 2.25, 2.0, 1.5])
    assert run.tests[0] == [0, 10, 30, 40, 50]


def test_means_skip_what_is_no_number():
    nan = math.nan
    assert running_mean([nan, 1.0, nan, 3.0, 5.0, 7.0, 9.0])[1:] == pytest.approx([1.0, 1.0, 2.0, 3.0, 4.0, 6.0])
    assert math.isnan(running_mean([nan])[0]) and running_mean([]) == []


def test_a_huge_value_is_in_its_own_means_alone():
    assert running_mean([1e20] + [1.0] * 8)[4:] == [2e19, 1.0, 1.0, 1.0, 1.0]
    assert running_mean([1.0, math.inf] + [2.0] * 6)[1:] == [math.inf] * 5 + [2.0, 2.0]
    values = [float(n % 7) for n in range(431)]
    plain = [sum(values[max(0, n - 9) : n + 1]) / min(10, n + 1) for n in range(431)]
    assert running_mean(values) == pytest.approx(plain)


def test_when_an_error_is_reached():
    run = curves_of("a", records())
    assert (run.epoch, run.reached(0.25), run.reached(0.9)) == (20, 30, None)
    assert run.reach_text(0.25) == "error first under 75% after 1.5 epochs"
    assert run.reach_text(0.9) == "error never under 10%"
    trained = [record for record in records() if record["event"] == "train"]
    assert curves_of("a", trained).reach_text(0.9) == "no accuracy is tested"
