"""The notebooks of docs/notebooks run, and show what their texts say."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from netdef.cli.main import run as netdef
from tests.docs.notebooks import cells_of, run_cells
from tests.paths import ROOT

BOOKS = ROOT / "docs" / "notebooks"


@pytest.fixture
def book(tmp_path, monkeypatch, capsys):
    """A function that runs a notebook; returns its names, what its cells show, and what they print."""
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.chdir(tmp_path)

    def shell(line):
        """Commands of netdef run in this process, where kernels are loaded already."""
        words = shlex.split(line)
        if words[0] == "netdef":
            assert netdef(words[1:]) == (1 if words[1] == "diff" and words[2].startswith("runs") else 0), line
            return []
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()

    def run(name):
        names, shown = run_cells(cells_of(BOOKS / f"{name}.ipynb"), shell)
        printed = capsys.readouterr().out
        return names, shown, printed

    yield run
    import matplotlib.pyplot as plt

    plt.close("all")


def test_there_are_three_and_python_md_names_them():
    text = (ROOT / "docs" / "python.md").read_text()
    books = sorted(path.name for path in BOOKS.glob("*.ipynb"))
    assert books == ["experiments.ipynb", "lecture.ipynb", "old_files.ipynb"]
    assert all(f"notebooks/{name}" in text for name in books)


@pytest.mark.slow
def test_lecture(book):
    names, shown, printed = book("lecture")
    assert shown[0].startswith("<img") and "&lt;Net &#x27;LeNet&#x27; train" in shown[0]
    assert len(names["losses"]) == 30 and names["accuracies"][-1][0] == 30
    assert names["accuracies"][-1][1] > 0.5 > names["accuracies"][0][1]
    assert names["filters"].shape == (20, 1, 5, 5) and 0 < names["probabilities"].max() <= 1
    assert "lenet.html: filters of conv1" in printed and os.path.exists("lenet.html")


def test_old_files(book):
    names, _, printed = book("old_files")
    assert "old.prototxt" in printed and "layer conv1: Convolution(data)" in printed
    assert "no differences" in printed and "reads blob conv2, which no layer makes" in printed
    assert "('conv1', 'fc')" in printed and "data takes pixels with mean 104, 117, 123" in printed
    assert names["probabilities"].sum() == pytest.approx(1)
    best = f"{names['probabilities'].max():.2%}"
    assert best in printed  # of predict, by the same pixels


@pytest.mark.slow
def test_experiments(book):
    names, shown, printed = book("experiments")
    assert names["widths"][4][0] < names["widths"][8][0]
    assert names["stopped"] < 200 and names["last"][0].outputs["accuracy"] > 0.5
    assert "&lt;Run &#x27;runs/a&#x27;" in shown[3] and "<summary>tests</summary>" in shown[3]
    assert "worst confusions:" in printed and Path("plot.png").exists() and Path("predictions.csv").exists()
