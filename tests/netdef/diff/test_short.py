"""Differences in a few words."""

import json
from pathlib import Path

import pytest

from netdef.diff.short import labels, short_difference

NET = """name: "small"
layer data: Input -> data { shape { dim: 2 dim: 3 dim: 8 dim: 8 } }
layer conv: Convolution(data) { num_output: 4 kernel_size: 3 }
layer relu: ReLU(conv) -> conv
layer fc: InnerProduct(conv) { num_output: 2 }
"""
SOLVER = 'base_lr: 0.1 lr_policy: "fixed" max_iter: 9 display: 1 net: "net.net" snapshot_prefix: "a"'


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, net, solver in (
        ("a", NET, SOLVER),
        ("same", NET, SOLVER.replace("display: 1", "display: 5").replace('"a"', '"b"')),
        ("other", NET.replace("kernel_size: 3", "kernel_size: 5"), SOLVER.replace("0.1", "0.01")),
        ("renamed", NET.replace("small", "large").replace("layer relu: ReLU(conv) -> conv\n", ""), SOLVER),
    ):
        Path(name).mkdir()
        Path(name, "net.net").write_text(net)
        Path(name, "solver.txt").write_text(solver)
    Path("other/run.json").write_text(json.dumps({"starts": [{"weights": "w.caffemodel"}]}))
    Path("bare").mkdir()


def test_what_changes_results_is_named():
    assert short_difference("a", "same") == []
    assert short_difference("a", "other") == ["weights none -> w.caffemodel", "base_lr 0.1 -> 0.01", "conv kernel 3 -> 5"]
    first, *rest = short_difference("a", "renamed")
    assert first == "network small -> large" and any("relu" in text for text in rest)


def test_runs_that_cannot_be_compared():
    assert short_difference("a", "bare") is None
    Path("same/net.net").write_text("layer x: ReLU(nothere)")
    assert short_difference("a", "same")[-1].startswith("cannot be compared: ")


def test_labels():
    assert labels(["a", "other", "same"]) == {
        "a": "a",
        "other": f"other: {', '.join(short_difference('a', 'other'))}",
        "same": "same",
    }
    Path("x/a").mkdir(parents=True)
    assert list(labels(["a", "x/a"]).values()) == ["a", "x/a"]
