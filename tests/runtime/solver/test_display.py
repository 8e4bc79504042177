"""What is shown on a terminal and elsewhere."""

import io
import re

import pytest
from rich.console import Console

from runtime.solver.display import LiveDisplay, PlainDisplay, Reporter, duration, open_display

START = {
    "name": "net", "devices": "cpu", "threads": 1, "batch_size": 8, "iteration": 0, "max_iter": 20, "seed": 1, "out": "runs/a",
}  # fmt: skip
TRAIN = {"iteration": 10, "due": True, "loss": 1.25, "rate": 0.01, "images_per_second": 33.3, "eta_seconds": 75.0}
TEST = {"iteration": 10, "net": 0, "loss": 0.5, "outputs": {"loss": 0.5, "top1": 0.875}, "accuracies": ["top1"], "seconds": 2}


def tell(sink):
    reporter = Reporter(sink)
    reporter.report("start", **START)
    reporter.report("train", **TRAIN)
    reporter.report("testing", iteration=10, batch=1, batches=2)
    reporter.report("test", **TEST)
    reporter.report("train", **{**TRAIN, "iteration": 11, "due": False, "loss": 9.75})
    reporter.report("rate", iteration=10, rate=0.001)
    reporter.report("snapshot", iteration=10, path="runs/a/net_iter_10.solverstate")
    reporter.note("skipping x.jpg: damaged")
    reporter.report("end", lines=["done: [red] iteration 20", "next: netdef plot runs/a"])
    sink.close()


def test_plain_lines():
    stream = io.StringIO()
    tell(PlainDisplay(stream))
    assert stream.getvalue().splitlines() == [
        "training net on cpu (1 thread), batches of 8, to iteration 20; seed 1; files in runs/a",
        "iteration     10  loss 1.25      rate 0.01      33.3 images/s  eta 1:15",
        "iteration     10  test  loss 0.5  top1 87.5%  (2.0 s)",
        "iteration     10  the test metric stands still: rate 0.001",
        "iteration     10  snapshot runs/a/net_iter_10.solverstate",
        "skipping x.jpg: damaged",
        "done: [red] iteration 20",
        "next: netdef plot runs/a",
    ]


def test_live_display():
    stream = io.StringIO()
    display = LiveDisplay(Console(file=stream, force_terminal=True, width=120, highlight=False, markup=False))
    tell(display)
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", stream.getvalue())
    assert "iteration     10  test  loss 0.5  top1 87.5%" in text
    assert "done: [red] iteration 20" in text
    assert "iteration     11" not in text
    assert "\x1b[?25h" in stream.getvalue()  # the cursor is back
    assert display.progress.tasks[0].completed == 12
    assert display.progress.tasks[0].fields["status"].startswith("loss 9.75")
    assert display.progress.tasks[0].fields["status"].endswith("test 87.5%")


def test_only_a_live_display_is_updated_between_the_lines():
    assert not Reporter(PlainDisplay(io.StringIO())).live
    assert Reporter(PlainDisplay(io.StringIO()), LiveDisplay(Console(file=io.StringIO()))).live


def test_streams_that_are_no_terminals_get_plain_lines():
    assert isinstance(open_display(io.StringIO()), PlainDisplay)


def test_late_sinks_get_the_remarks_they_missed():
    first, second = io.StringIO(), io.StringIO()
    reporter = Reporter(PlainDisplay(first))
    reporter.note("early")
    reporter.join(PlainDisplay(second))
    reporter.note("late")
    assert first.getvalue() == second.getvalue() == "early\nlate\n"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.04, "0.0 s"),
        (4.25, "4.2 s"),
        (10, "10 s"),
        (59.7, "60 s"),
        (185, "3:05"),
        (7201, "2:00:01"),
        (90061, "25:01:01"),
        (3e5, "3.5 days"),
        (29_337_599, "340 days"),
    ],
)
def test_durations(seconds, said):
    assert duration(seconds) == said
