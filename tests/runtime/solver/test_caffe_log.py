"""Logs of `caffe train` read as runs of ours are."""

import pytest

from netdef.cli.main import run
from runtime.solver.curves import curves_of
from runtime.solver.log import JsonLog, read_log
from runtime.solver.plot import draw_together, title_of

LOG = """I0223 14:55:42.870805  6406 caffe.cpp:178] Use CPU.
I0223 14:55:42.871371  6406 solver.cpp:48] Initializing solver from parameters:
test_iter: 100
max_iter: 300
net: "lenet_train_test.prototxt"
iter_size: 2
I0223 14:55:42.872871  6406 net.cpp:49] Initializing net from parameters:
name: "LeNet"
layer {
  name: "mnist"
    batch_size: 64
    batch_size: 100
I0223 14:55:43.0  6406 solver.cpp:337] Iteration 0, Testing net (#0)
I0223 14:55:44.0  6406 solver.cpp:404]     Test net output #0: accuracy = 0.0812
I0223 14:55:44.0  6406 solver.cpp:404]     Test net output #1: loss = 2.35 (* 1 = 2.35 loss)
I0223 14:55:44.0  6406 solver.cpp:404]     Test net output #2: aux = 2 (* 0.5 = 1 loss)
I0223 14:55:44.0  6406 solver.cpp:404]     Test net output #3: norm = 7.5
I0223 14:55:45.0  6406 solver.cpp:228] Iteration 0, loss = 2.30
I0223 14:55:45.0  6406 solver.cpp:244]     Train net output #0: loss = 2.29 (* 1 = 2.29 loss)
I0223 14:55:45.0  6406 sgd_solver.cpp:106] Iteration 0, lr = 0.01
I0223 14:55:46.0  6406 solver.cpp:218] Iteration 100 (3.3 iter/s, 30.3s/100 iters), loss = 1.5e-1
I0223 14:55:46.0  6406 solver.cpp:237]     Train net output #0: loss = 0.2 (* 1 = 0.2 loss)
I0223 14:55:46.0  6406 sgd_solver.cpp:105] Iteration 100, lr = 0.001
I0223 14:55:47.0  6406 solver.cpp:228] Iteration 200, loss = nan
I0223 14:56:00.0  7777 caffe.cpp:200] Resuming from lenet_iter_100.solverstate
I0223 14:56:01.0  7777 solver.cpp:337] Iteration 100, Testing net (#0)
I0223 14:56:01.0  7777 solver.cpp:404]     Test net output #0: accuracy = 0.75
I0223 14:56:01.0  7777 solver.cpp:404]     Test net output #3: norm = 0.5
I0223 14:56:02.0  7777 solver.cpp:228] Iteration 100, loss = 0.16
I0223 14:56:03.0  7777 solver.cpp:228] Iteration 300, loss = 0.1
I0223 14:56:04.0  7777 solver.cpp:337] Iteration 300, Testing net (#0)
I0223 14:56:04.0  7777 solver.cpp:404]     Test net output #0: accuracy = 0.875
"""


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "caffe.log"
    path.write_text("Log file created at: 2016/02/23 14:55:42\n" + LOG)
    return path


def test_a_log_as_records(log):
    records = read_log(log)
    trained = [(r["iteration"], r["loss"], r["batch_loss"], r.get("rate")) for r in records if r["event"] == "train"]
    assert trained == [(0, 2.30, 2.29, 0.01), (100, 0.16, None, None)]
    tested = [(r["iteration"], r["loss"], r["outputs"], r["accuracies"]) for r in records if r["event"] == "test"]
    assert tested == [
        (0, 3.35, {"accuracy": 0.0812, "norm": 7.5}, ["accuracy"]),
        (100, None, {"accuracy": 0.75, "norm": 0.5}, ["accuracy"]),
        (300, None, {"accuracy": 0.875}, ["accuracy"]),
    ]
    assert title_of(records) == "LeNet: 300 of 300 iterations in batches of 128"


@pytest.mark.slow
def test_it_is_drawn_alone_and_beside_a_run_of_ours(log, tmp_path, capsys):
    assert run(["plot", str(log)]) == 0
    assert (tmp_path / "plot.png").exists()
    ours = JsonLog(tmp_path / "run" / "log.jsonl")
    ours.show({"event": "start", "name": "net", "iteration": 0, "max_iter": 9, "batch_size": 8})
    ours.show({"event": "train", "iteration": 0, "loss": 2.0, "batch_loss": 2.0, "rate": 0.1})
    ours.close()
    assert run(["plot", str(log), str(tmp_path / "run"), "--out", str(tmp_path / "both.png")]) == 0
    assert (tmp_path / "both.png").stat().st_size > 10_000
    logs = [curves_of("caffe", read_log(log)), curves_of("ours", read_log(tmp_path / "run"))]
    loss, accuracy, rate = draw_together(logs).axes
    assert [text.get_text() for text in loss.get_legend().texts] == ["caffe", "ours"]
    assert [text.get_text() for text in accuracy.get_legend().texts] == ["caffe, accuracy: 87.5% at the end"]
    assert [list(line.get_ydata()) for line in rate.lines] == [[0.01], [0.1]]


def test_a_text_that_is_no_log(tmp_path, capsys):
    (tmp_path / "x.txt").write_text("Iteration 5, loss = 3\n")
    assert run(["plot", str(tmp_path / "x.txt")]) == 2
    assert "x.txt is no log of a run: no line of it is a record of one" in capsys.readouterr().err
    (tmp_path / "log.jsonl").write_text('{"event":"sta')  # a run that writes its first line
    assert run(["plot", str(tmp_path)]) == 2
    assert "has no iterations yet" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new"), [("= 2.30", "= 2..30"), ("max_iter: 300", "max_iter: many"), ("Iteration 0,", f"Iteration {'9' * 5000},")]
)
def test_numbers_that_are_none(old, new, tmp_path):
    assert old in LOG
    (tmp_path / "caffe.log").write_text(LOG.replace(old, new))
    records = read_log(tmp_path / "caffe.log")
    assert records[0]["max_iter"] in (0, 300) and all(record["iteration"] < 1000 for record in records)
