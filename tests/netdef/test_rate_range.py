"""Rates that no training can use are found before it, at the first iteration that has one."""

import pytest

import netdef
from netdef.check.run import check
from netdef.language import read_text
from netdef.schema import message_class
from netdef.solver_file import check_solver
from netdef.solver_file.learning_rate import LearningRate
from netdef.solver_file.rate_range import first_unusable

UNUSABLE = [
    ("lr_policy: 'step' gamma: -0.5 stepsize: 7", "gamma", "the rate of iteration 7 is -0.25"),
    ("lr_policy: 'step' gamma: -0.5 stepsize: 7 warmup_iter: 16", "gamma", "the rate of iteration 21 is -0.0625"),
    ("lr_policy: 'exp' gamma: -0.5", "gamma", "the rate of iteration 1 is -0.25"),
    ("lr_policy: 'exp' gamma: -0.5 warmup_iter: 4", "gamma", "the rate of iteration 5 is -0.015625"),
    ("lr_policy: 'exp' gamma: 4", "gamma", "the rate of iteration 65 is infinite"),
    ("lr_policy: 'multistep' gamma: -1 stepvalue: [20, 30]", "gamma", "the rate of iteration 20 is -0.5"),
    ("lr_policy: 'inv' gamma: -0.03125 power: 0.5", "gamma", "the rate of iteration 32 is infinite"),
    ("lr_policy: 'inv' gamma: -0.03 power: 0.5", "gamma", "the rate of iteration 34 is a complex number"),
    ("lr_policy: 'inv' gamma: -0.03 power: -3", "gamma", "the rate of iteration 34 is -"),
    ("lr_policy: 'inv' gamma: 1 power: -30", "power", "the rate of iteration 19 is infinite"),
    ("lr_policy: 'poly' power: -30", "power", "the rate of iteration 95 is infinite"),
    ("lr_policy: 'multifixed' stagelr: [1, -1] stageiter: [4, 8]", "-1", "the rate of iteration 5 is -1"),
    ("lr_policy: 'plateau' gamma: -0.5 test_iter: 1 test_interval: 9", "gamma", "the rate of training after plateau 1 is -0.25"),
]
USABLE = [
    "lr_policy: 'inv' gamma: -0.03 power: -2",
    "lr_policy: 'step' gamma: 0 stepsize: 7",
    "lr_policy: 'exp' gamma: -0.5 warmup_iter: 100",
    "lr_policy: 'inv' gamma: -0.0078125 power: 0.5",
    "lr_policy: 'poly' power: -1",
    "lr_policy: 'sigmoid' gamma: -4 stepsize: 5",
    "lr_policy: 'cosine'",
]
HEAD = "base_lr: 0.5 max_iter: 100 "


@pytest.mark.parametrize(("text", "marked", "message"), UNUSABLE)
def test_unusable_rates_are_refused_at_their_field(text, marked, message, tmp_path):
    path = tmp_path / "solver.txt"
    path.write_text(HEAD + text)
    with pytest.raises(netdef.NetdefError) as caught:
        netdef.load_solver(path)
    (one,) = caught.value.diagnostics
    assert message in one.message
    assert one.position.source.text[one.position.column - 1 :].startswith(marked)
    found = [finding for finding in check(str(path)).findings if finding.code == "ND301"]
    assert [finding.message for finding in found] == [one.message]


@pytest.mark.parametrize("text", USABLE)
def test_usable_rates_are_not_refused(text):
    check_solver(read_text(HEAD + text, "s.txt", "SolverParameter"))


@pytest.mark.parametrize("text", [text for text, *_ in UNUSABLE if "plateau" not in text] + USABLE)
def test_the_first_of_them_is_found(text):
    """As the rate of each iteration in turn shows it."""
    solver = read_text(HEAD + text, "s.txt", "SolverParameter").message
    rate, expected = LearningRate(solver), ""
    try:
        for iteration in range(100):
            rate.at(iteration)
    except netdef.NetdefError as error:
        expected = error.diagnostics[0].message
    assert first_unusable(solver) == expected


def test_a_rate_beyond_the_end_of_training_is_refused_when_it_comes():
    rate = LearningRate(message_class("SolverParameter")(base_lr=0.5, lr_policy="poly", power=-1, max_iter=4))
    assert rate.at(3) == 2
    with pytest.raises(netdef.NetdefError, match="the rate of iteration 4 is infinite"):
        rate.at(4)
