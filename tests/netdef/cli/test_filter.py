"""Commands on a net whose Filter keeps another number of images in each run."""

from pathlib import Path

import pytest

from netdef.cli.main import run

NET = """name: "some"
layer data: DummyData -> x, label, s {
  shape { dim: [8, 3, 2, 2] } shape { dim: 8 } shape { dim: 8 }
  data_filler { type: "gaussian" } data_filler { type: "constant" value: 1 } data_filler { type: "gaussian" }
}
layer chosen: Threshold(s)
layer some: Filter(x, label, chosen) -> some, of_some
layer fc: InnerProduct(some) { num_output: 3 weight_filler { type: "xavier" } }
layer loss: SoftmaxWithLoss(fc, of_some)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("some.net").write_text(NET)


def test_train_and_test(capsys):
    Path("solver.txt").write_text('net: "some.net" base_lr: 0.1 lr_policy: "fixed" max_iter: 10 random_seed: 3')
    assert run(["train", "solver.txt", "--devices", "cpu", "--out", "run"]) == 0
    weights = ["--weights", "run/some_iter_10.caffemodel"]
    assert run(["test", "some.net", *weights, "--devices", "cpu", "--iterations", "3"]) == 0
    assert "loss" in capsys.readouterr().out


@pytest.mark.slow
def test_time_measures_shapes_that_stay(capsys):
    assert run(["time", "some.net", "--devices", "cpu", "--iterations", "1"]) == 2
    errors = capsys.readouterr().err
    assert "some.net:7:41: error: Filter some: chosen keeps " in errors
    assert ", and kept 8 before: netdef time measures shapes that stay\n" in errors
    assert run(["time", "some.net", "--predict", "h200"]) == 0
