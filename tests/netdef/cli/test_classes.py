"""Names and numbers of classes, from folders to what test and predict say."""

import json
import os
import shutil
from pathlib import Path

import pytest

from netdef.cli.main import run
from tests.netdef.cli import levels

WEIGHTS = ["--weights", "run/levels_iter_0.caffemodel"]
NAMES = [str(number) for number in range(12)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Twelve classes whose folders are numbers, and a run that starts from weights that know them."""
    monkeypatch.chdir(tmp_path)
    levels.make(tmp_path, NAMES)
    assert run(["train", "levels.net", "solver.txt", "--weights", "w.caffemodel", "--iterations", "0", "--out", "run"]) == 0
    return tmp_path


def test_the_order_of_numbers_goes_from_training_to_testing_and_predicting(folder, capsys):
    assert json.loads(Path("run/levels_iter_0.netdef.json").read_text())["classes"] == NAMES
    assert run(["test", "levels.net", *WEIGHTS]) == 0
    assert "accuracy  100.00%" in capsys.readouterr().out
    assert run(["predict", "deploy.net", "digits/10/0.png", "digits/2/1.png", *WEIGHTS]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [lines[1].split()[1], lines[7].split()[1]] == ["10", "2"]


def test_other_folders_take_the_labels_of_the_run(folder, capsys):
    for name in ("3", "10"):
        shutil.copytree(f"digits/{name}", f"some/{name}")
    assert run(["test", "levels.net", *WEIGHTS, "--data", "some"]) == 0
    assert "accuracy  100.00%" in capsys.readouterr().out
    shutil.copytree("digits/3", "some/dog")
    assert run(["test", "levels.net", *WEIGHTS, "--data", "some"]) == 2
    assert "some has class dog; the weights were trained on classes 0, 1, 2, 3, 4, 5, 6, 7 and 4 more" in capsys.readouterr().err
    assert run(["test", "levels.net", *WEIGHTS, "--data", "builtin:photos"]) == 2
    assert "builtin:photos has classes astronaut, cat" in capsys.readouterr().err


def test_a_resumed_run_keeps_its_labels(folder, capsys):
    """A version of netdef that took folders in the order of texts made this snapshot."""
    side = Path("run/levels_iter_0.netdef.json")
    content = json.loads(side.read_text())
    side.write_text(json.dumps({**content, "classes": sorted(NAMES)}))
    train = ["train", "levels.net", "solver.txt", "--resume", "run/levels_iter_0.solverstate", "--iterations", "1"]
    assert run([*train, "--out", "again"]) == 0
    assert json.loads(Path("again/levels_iter_1.netdef.json").read_text())["classes"] == sorted(NAMES)
    Path("digits/11").rename("digits/new")
    capsys.readouterr()
    assert run([*train, "--out", "third"]) == 2
    assert "digits has class new; the weights were trained on classes 0, 1, 10, 11" in capsys.readouterr().err


def test_without_a_run_numbers_stand_for_names(tmp_path, monkeypatch, capsys):
    """Nothing is read from the current folder, which has folders of images."""
    levels.make(tmp_path, ["ant", "bee"])
    (tmp_path / "digits/invoices").mkdir()
    monkeypatch.chdir(tmp_path / "digits")
    assert run(["predict", "../deploy.net", "bee/0.png", "--weights", "../w.caffemodel"]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines() == ["bee/0.png", "  100.00%  class 1", "    0.00%  class 0"]
    assert "invoices" not in captured.err
    assert "note: data takes pixels as they are, 0 to 255: no run says how it was trained" in captured.err


def test_names_of_the_nets_own_data_are_said_to_be_that(tmp_path, monkeypatch, capsys):
    levels.make(tmp_path, ["ant", "bee"])
    monkeypatch.chdir(tmp_path)
    arguments = ["predict", "levels.net", "digits/bee/0.png", "--weights", "w.caffemodel"]
    assert run(arguments) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines()[1] == "  100.00%  bee"
    assert "note: classes have the names of those in digits: the weights come with none" in captured.err
    (tmp_path / "digits/cow").mkdir()
    assert run(arguments) == 0
    assert "note: digits has 3 names, fc has scores of 2 classes: names may be wrong" in capsys.readouterr().err


@pytest.mark.parametrize(("content", "names"), [("ant\n", ["class 1", "ant"]), ("ant\nbee\ncow\n", ["bee", "ant"])])
def test_labels_that_are_too_few_or_too_many_are_said(tmp_path, monkeypatch, capsys, content, names):
    levels.make(tmp_path, ["ant", "bee"])
    monkeypatch.chdir(tmp_path)
    Path("labels.txt").write_bytes(b"\xef\xbb\xbf" + content.replace("\n", "\r\n").encode())
    assert run(["predict", "deploy.net", "digits/bee/0.png", "--weights", "w.caffemodel", "--labels", "labels.txt"]) == 0
    captured = capsys.readouterr()
    assert [line.split("%  ")[1] for line in captured.out.splitlines()[1:]] == names
    count = content.count("\n")
    assert f"note: labels.txt has {count} names, prob has scores of 2 classes" in captured.err


def test_a_list_with_a_byte_order_mark_and_a_name_that_is_not_utf8(tmp_path, monkeypatch, capsys):
    levels.make(tmp_path, ["ant", "bee"])
    monkeypatch.chdir(tmp_path)
    os.rename(b"digits/bee/0.png", b"digits/bee/\xe9.png")
    Path("list.txt").write_bytes(b"\xef\xbb\xbfdigits/ant/0.png 0\r\ndigits/bee/\xe9.png 1\r\n")
    assert run(["test", "levels.net", "--weights", "w.caffemodel", "--data", "list.txt", "--batch", "2"]) == 0
    captured = capsys.readouterr()
    assert "accuracy  100.00%" in captured.out and "skipped" not in captured.out
    assert "note: list.txt: line 2 is not UTF-8" in captured.err


@pytest.mark.parametrize("mean", ["60,60,60", "nan", "gone.npy", "three.npy"])
def test_a_mean_that_does_not_fit_names_the_option(tmp_path, monkeypatch, capsys, mean):
    import numpy as np

    levels.make(tmp_path, ["ant", "bee"])
    monkeypatch.chdir(tmp_path)
    np.save("three.npy", np.ones((3, 4, 4)))
    assert run(["predict", "deploy.net", "digits/bee/0.png", "--weights", "w.caffemodel", "--mean", mean]) == 2
    said = {
        "60,60,60": "the mean has 3 values for 1 channel: give one",
        "nan": "the mean is not a finite number",
        "gone.npy": "cannot read gone.npy: No such file or directory",
        "three.npy": "three.npy holds an array of 3 x 4 x 4, not a mean of 1 channel",
    }
    err = capsys.readouterr().err
    assert f"error: --mean {mean}: {said[mean]}\n" in err
    assert "deploy.net" not in err
    if mean == "three.npy":  # the same words for a net's own mean, at its line
        Path("levels.net").write_text(Path("levels.net").read_text().replace("mean_value: 0", 'mean_file: "three.npy"'))
        assert run(["test", "levels.net", "--weights", "w.caffemodel"]) == 2
        assert f"levels.net:5:32: error: ImageData data: {said[mean]}\n" in capsys.readouterr().err
