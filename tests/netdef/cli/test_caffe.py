"""Caffe's command line, and its flags in netdef's commands."""

from pathlib import Path

import pytest

from netdef.cli import caffe
from netdef.cli.caffe import from_caffe, netdefs_words
from netdef.cli.main import run
from netdef.language.diagnostics import NetdefError
from tests.netdef.cli import images


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images.make(tmp_path)
    Path("solver.prototxt").write_text('net: "shades.net"' + images.SOLVER.replace("max_iter: 30", "max_iter: 6"))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("train -solver s.prototxt -snapshot x.solverstate -gpu 0", "train s.prototxt --resume x.solverstate --devices gpu:0"),
        ("train --solver=s.prototxt --weights=a,b", "train s.prototxt --weights a,b"),
        ("-gpu 0,1 train -solver s", "train s --devices gpu:0,gpu:1 --split batch"),
        ("train -solver s -sigint_effect stop", "train s"),
        ("test -model m -weights w -gpu 2", "test m --weights w --devices gpu:2 --iterations 50"),
        ("test -weights w -iterations=7 -model m", "test m --weights w --iterations 7 --devices cpu"),
        ("time -model m -phase TEST", "time m --phase test --devices cpu --iterations 50"),
        ("device_query -gpu 0", "devices"),
    ],
)
def test_lines_of_caffe(line, words):
    assert netdefs_words(line.split()) == words.split()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "no action is given"),
        ("tran -solver s", "there is no action tran"),
        ("train -gpu 0", "netdef-caffe train needs -solver"),
        ("test -weights w", "netdef-caffe test needs -model"),
        ("train -solver", "-solver has no value"),
        ("train -solver s -gpu x", "-gpu x: expected numbers of cards"),
        ("train -solver s -stage a", "-stage a: netdef has no such flag"),
        ("train -solver s -sigint_effect none", "-sigint_effect none: netdef has no such flag"),
    ],
)
def test_wrong_command_lines_are_refused(line, said):
    with pytest.raises(NetdefError, match=said):
        netdefs_words(line.split())


def test_netdefs_own_words_stay():
    words = ["x.net", "--weights", "w", "--iterations", "3", "--phase", "train", "-o", "y"]
    assert from_caffe("time", words) == words


@pytest.mark.slow
def test_a_run_from_caffes_command_line(folder, capsys):
    assert caffe.run(["train", "-solver", "solver.prototxt"]) == 0
    state = Path("runs/shades-1/shades_iter_6.solverstate")
    assert state.exists()
    weights = state.with_suffix(".caffemodel")
    capsys.readouterr()
    assert caffe.run(["test", "-model", "shades.net", "-weights", str(weights), "-iterations", "2"]) == 0
    ours = capsys.readouterr().out
    assert "over 8 images" in ours
    assert run(["test", "-model", "shades.net", "-weights", str(weights), "-iterations", "2"]) == 0
    theirs = capsys.readouterr().out
    assert theirs.splitlines()[:2] == ours.splitlines()[:2]
    assert run(["train", "-solver", "solver.prototxt", "-snapshot", str(state), "--iterations", "8"]) == 0
    assert state.with_name("shades_iter_8.solverstate").exists()


def test_wrong_command_lines_end_in_one_message(capsys):
    assert caffe.run(["train", "-solver", "none.prototxt"]) == 2
    assert "none.prototxt" in capsys.readouterr().err
    assert caffe.run(["train"]) == 2
    said = capsys.readouterr().err
    assert "needs -solver" in said and "Traceback" not in said
    assert caffe.run(["--help"]) == 0
    assert "netdef-caffe train -solver" in capsys.readouterr().out
