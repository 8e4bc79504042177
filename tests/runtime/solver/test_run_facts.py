"""What a run's log says about the run."""

import math

import pytest

from netdef import NetdefError
from runtime.solver.log import JsonLog
from runtime.solver.run_facts import facts_of

START = {"event": "start", "name": "net", "iteration": 0, "max_iter": 20, "time": 100.0}


def a_test(n, accuracy):
    return {
        "event": "test",
        "iteration": n,
        "net": 0,
        "loss": 1.0,
        "outputs": {"top1": accuracy},
        "accuracies": ["top1"],
        "time": 100.0 + n,
    }


def trained(n):
    return {"event": "train", "iteration": n, "loss": 2.0, "time": 100.0 + n}


@pytest.fixture
def logged(tmp_path):
    def write(*records, close=True):
        log = JsonLog(tmp_path / "log.jsonl")
        for record in records:
            log.show(record)
        if close:
            log.close()
        return log

    write.folder = tmp_path
    return write


@pytest.mark.parametrize(
    ("records", "state"),
    [
        ((START, trained(4)), "killed"),
        ((START, trained(4), {"event": "end", "reason": "finished", "iteration": 20, "time": 121.0}), "finished"),
        ((START, {"event": "end", "reason": "diverged", "iteration": 5, "time": 121.0}), "diverged"),
        ((START, {"event": "end", "reason": "interrupted", "iteration": 5, "time": 121.0}, {**START, "iteration": 5}), "killed"),
        ((), "not begun"),
    ],
)
def test_states(logged, records, state):
    logged(*records)
    assert facts_of(logged.folder).state == state


def test_a_run_that_goes_on(logged):
    log = logged(START, trained(4), close=False)
    assert facts_of(logged.folder).state == "running"
    log.close()


def test_results_and_time(logged):
    logged(
        START,
        a_test(0, 0.1),
        trained(3),
        a_test(5, 0.9),
        trained(9),
        {**START, "time": 500.0, "iteration": 10},
        a_test(10, 0.8) | {"time": 505.0},
    )
    facts = facts_of(logged.folder)
    assert (facts.iteration, facts.max_iter, facts.metric, facts.best, facts.best_iteration, facts.last) == (
        10,
        20,
        "top1",
        0.9,
        5,
        0.8,
    )
    assert (facts.loss, facts.seconds, facts.begun) == (2.0, 9.0 + 5.0, 100.0)


def test_a_run_without_tests(logged):
    logged(START, trained(3))
    facts = facts_of(logged.folder)
    assert facts.metric == "" and math.isnan(facts.best) and facts.iteration == 4


def test_a_log_of_something_else(tmp_path):
    (tmp_path / "log.jsonl").write_text('{"event": "other"}\nnot json\n')
    with pytest.raises(NetdefError, match="no log of a run"):
        facts_of(tmp_path)


def test_a_run_that_diverged_has_the_metric_of_its_best_test(logged):
    records = (
        a_test(5, 0.5) | {"accuracies": [], "loss": 1.5},
        {"event": "end", "reason": "diverged", "iteration": 6, "time": 121.0},
    )
    logged(START, *records)
    facts = facts_of(logged.folder)
    assert (facts.state, facts.metric, facts.best, math.isnan(facts.last)) == ("diverged", "loss", 1.5, True)


@pytest.mark.parametrize(
    "damage",
    [
        {"event": "start", "time": "x"},
        {"event": "start", "max_iter": "many"},
        {**trained(4), "iteration": "x"},
        {**trained(4), "loss": "x"},
        {**a_test(5, 0.5), "outputs": [1]},
        {**a_test(5, "x")},
        {**START, "name": 7, "time": None},
    ],
)
def test_a_damaged_log(logged, damage):
    logged({"event": "start"}, damage)
    with pytest.raises(NetdefError, match=r"log\.jsonl is damaged"):
        facts_of(logged.folder)


def test_an_accuracy_that_is_no_number(logged):
    logged(START, a_test(5, 0.5), a_test(10, None))
    facts = facts_of(logged.folder)
    assert (facts.metric, facts.best) == ("top1", 0.5) and math.isnan(facts.last)


def test_time_does_not_follow_the_clock_of_the_day(logged):
    year = 3e7
    logged(
        {**START, "time": year, "elapsed": 2.0},
        {**trained(3), "time": 9 * year, "elapsed": 5.0},
        {**START, "time": 3 * year, "elapsed": 1.0, "iteration": 4},
        {**trained(6), "time": 1.0, "elapsed": 3.5},
    )
    assert facts_of(logged.folder).seconds == 5.5


@pytest.mark.parametrize(
    ("start", "later", "seconds"),
    [({}, {"elapsed": 4.0}, 9.0), ({"elapsed": 1.0}, {}, 3.0)],
)
def test_clocks_are_not_mixed(logged, start, later, seconds):
    """A log that was joined or edited by hand may lack a clock in some of its records."""
    logged(START | start, trained(2) | start | ({"elapsed": 4.0} if start else {}), trained(9) | later)
    assert facts_of(logged.folder).seconds == seconds
