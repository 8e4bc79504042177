"""An option that has no effect is named on stderr with the reason, or is an error where it contradicts another."""

from pathlib import Path

import pytest

from netdef.cli.main import run
from tests.runtime.solver.nets import IMAGES, SOLVER

ABOUT_CARDS = ["--math", "tf32", "--workspace", "9", "--no-graph"]
NOTES = [f"{option} has no effect: it is about graphics cards" for option in ("--math tf32", "--workspace 9", "--no-graph")]
SPLIT = "--split batch has no effect: there is one device"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("small.net").write_text(IMAGES)
    Path("solver.txt").write_text(SOLVER + "test_iter: 1 test_interval: 5")


def unused(text):
    return [line for line in text.splitlines() if "no effect" in line]


@pytest.mark.slow
def test_options_about_cards_on_the_cpu(capsys):
    here = [*ABOUT_CARDS, "--devices", "cpu", "--threads", "1"]
    assert run(["train", "small.net", "solver.txt", "--out", "one", "--split", "batch", *here]) == 0
    assert unused(capsys.readouterr().out) == [SPLIT, *NOTES]
    weights = ["--weights", "one/small_iter_10.caffemodel"]
    assert run(["test", "small.net", *weights, "--split", "batch", *here]) == 0
    assert unused(capsys.readouterr().err) == [SPLIT, *NOTES]
    assert run(["time", "small.net", "--iterations", "1", *here]) == 0
    assert unused(capsys.readouterr().err) == NOTES


@pytest.mark.slow
def test_no_note_without_such_an_option(capsys):
    assert run(["time", "small.net", "--iterations", "1", "--devices", "cpu", "--threads", "1"]) == 0
    assert unused(capsys.readouterr().err) == []


def test_measuring_options_of_a_prediction(capsys):
    card = ["time", "lenet", "--predict", "h100"]
    assert run([*card, "--devices", "cpu", "--iterations", "3", "--threads", "2", "--no-graph", "--math", "tf32"]) == 0
    said = capsys.readouterr()
    given = ("--devices cpu", "--iterations 3", "--threads 2", "--no-graph")
    assert said.err.splitlines() == [f"{option} has no effect: --predict measures nothing" for option in given]
    assert run([*card, "--math", "tf32"]) == 0
    assert capsys.readouterr() == (said.out, "")


def test_tf32_of_a_card_that_has_none(capsys):
    assert run(["time", "lenet", "--predict", "t4"]) == 0
    expected = capsys.readouterr().out
    assert run(["time", "lenet", "--predict", "t4", "--math", "tf32"]) == 0
    assert capsys.readouterr() == (expected, "--math tf32 has no effect: T4 has no tensor cores for it\n")


def test_workspace_before_launches_are_planned(capsys):
    assert run(["compile", "lenet", "--devices", "gpu:0", "--workspace", "9", "--after", "lower"]) == 0
    reason = "cards plan their launches after the last pass, not after lower"
    assert capsys.readouterr().err == f"--workspace 9 has no effect: {reason}\n"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["compile", "lenet", "--devices", "gpu:0", "--inference"], "no gradients are fused without backward, or before the pass"),
        (
            ["compile", "lenet", "--devices", "gpu:0", "--after", "lower"],
            "no gradients are fused without backward, or before the pass",
        ),
        (["time", "lenet", "--predict", "h100", "--phase", "test"], "only training has gradients"),
    ],
)
def test_nothing_to_fuse(capsys, arguments, why):
    assert run([*arguments, "--no-fuse"]) == 0
    assert capsys.readouterr().err == f"--no-fuse has no effect: {why}\n"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["compile", "lenet", "--no-fuse"], "--no-fuse is about graphics cards"),
        (["draw", "lenet", "--devices", "1", "--split", "batch"], "--split batch divides a net over several devices"),
        (["draw", "lenet", "--split", "batch"], "--split"),
        (["draw", "lenet", "-o", "x.dot", "--style", "cards"], "--style cards: a .dot file has no style"),
        (["compile", "lenet", "--workspace", "9"], "--workspace 9 is about graphics cards"),
        (["fmt", "-i", "-"], "-i writes files, - is the standard input"),
        (["convert", "solver.txt", "x.prototxt", "--no-weights"], "solver.txt is a solver: it has no weights"),
    ],
)
def test_contradictions(arguments, error, capsys):
    assert run(arguments) == 2
    assert error in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--split", "batch", "--devices", "cpu,cpu"], "it is about --split hybrid"),
        (["--split", "hybrid", "--devices", "cpu"], "there is one device"),
    ],
)
def test_nodes_without_hybrid_shares(options, why, capsys):
    assert run(["train", "small.net", "solver.txt", "--out", "one", "--iterations", "1", "--nodes", "2", *options]) == 0
    assert f"--nodes 2 has no effect: {why}" in unused(capsys.readouterr().out)


def test_options_about_ranks_in_one_process(capsys):
    about = ["--reduce", "fast", "--bucket", "4MB", "--gradients", "bf16"]
    assert run(["train", "small.net", "solver.txt", "--out", "one", "--iterations", "1", "--devices", "cpu", *about]) == 0
    why = "has no effect: there is one process, and no other rank"
    assert unused(capsys.readouterr().out) == [f"--gradients bf16 {why}", f"--bucket 4MB {why}", f"--reduce fast {why}"]


def test_a_bucket_that_is_no_size_in_one_process(capsys):
    assert run(["train", "small.net", "solver.txt", "--out", "one", "--bucket", "garbage"]) == 2
    assert "error: --bucket garbage is no size of a message" in capsys.readouterr().err
    assert not Path("one").exists()


def test_shares_that_are_no_nodes(capsys):
    words = ["train", "small.net", "solver.txt", "--out", "one", "--split", "hybrid", "--devices", "cpu,cpu,cpu", "--nodes", "2"]
    assert run(words) == 2
    assert "error: 3 shares cannot be 2 nodes of as many each" in capsys.readouterr().err
    assert not Path("one").exists()
