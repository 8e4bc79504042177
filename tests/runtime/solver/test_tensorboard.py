"""TensorBoard's events, read again record by record."""

import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event, SessionLog

from netdef.language.diagnostics import NetdefError
from runtime.solver.display import Reporter
from runtime.solver.tensorboard import Events

TRAIN = {
    "event": "train", "iteration": 10, "due": True, "loss": 0.5, "batch_loss": 0.25, "rate": 0.01, "outputs": {"loss1": 2.0},
    "images_per_second": 7.5, "eta_seconds": 3.0, "epoch": 1.5, "time": 1000.25,
}  # fmt: skip
TEST = {"event": "test", "iteration": 20, "net": 0, "loss": None, "outputs": {"accuracy": 0.75}, "accuracies": ["accuracy"],
        "seconds": 1.0, "time": 1001.0}  # fmt: skip


def events_in(folder):
    """The events of all files, in the order of their names."""
    found = []
    for path in sorted(Path(folder).glob("events.out.tfevents.*")):
        data, at = path.read_bytes(), 0
        while at < len(data):
            (length,) = struct.unpack_from("<Q", data, at)
            found.append(Event.FromString(data[at + 12 : at + 12 + length]))
            at += length + 16
    return found


def scalars_of(found):
    return {
        (one.step, value.tag): value.simple_value for one in found for value in one.summary.value if not value.HasField("histo")
    }


def test_each_number_has_its_tag_iteration_and_time(tmp_path):
    events = Events(tmp_path, 0, print)
    for record in (TRAIN, {**TRAIN, "iteration": 11, "due": False}, TEST, {**TEST, "net": 1}, {"event": "note", "text": "x"}):
        events.show(record)
    events.show({"event": "rate", "iteration": 30, "rate": 0.001, "time": 1002.0})
    events.close()
    found = events_in(tmp_path)
    assert [one.session_log.status for one in found if one.HasField("session_log")] == [SessionLog.START]
    assert scalars_of(found) == pytest.approx({
        (10, "train/loss"): 0.5, (10, "train/batch_loss"): 0.25, (10, "rate"): 0.01, (10, "train/loss1"): 2.0,
        (10, "images_per_second"): 7.5, (10, "epoch"): 1.5, (20, "test/accuracy"): 0.75,
        (20, "test1/accuracy"): 0.75, (30, "rate"): 0.001,
    })  # fmt: skip
    assert {one.wall_time for one in found if one.step == 10} == {1000.25}


def test_records_of_a_run_give_no_other_numbers(tmp_path):
    events = Events(tmp_path, 0, print)
    reporter = Reporter(events)
    for record in (TRAIN, TEST, {"event": "rate", "iteration": 30, "rate": 0.001}):
        reporter.report(**{key: value for key, value in record.items() if key != "time"})
    events.close()
    tags = {tag for _, tag in scalars_of(events_in(tmp_path))}
    assert tags == {"train/loss", "train/batch_loss", "train/loss1", "rate", "images_per_second", "epoch", "test/accuracy"}


def test_histograms_go_with_a_test_and_leave_out_what_is_not_finite(tmp_path):
    arrays = [("conv1/0", np.array([1.0, 2.0, np.nan, np.inf])), ("conv1/1", np.array([np.nan]))]
    said = []
    events = Events(tmp_path, 0, said.append, lambda: arrays)
    for record in (TRAIN, TEST, {**TEST, "net": 1}, TEST):
        events.show(record)
    events.close()
    histograms = [
        (one.step, v.tag, v.histo.num, v.histo.sum) for one in events_in(tmp_path) for v in one.summary.value if v.HasField("histo")
    ]
    assert histograms == [(20, "conv1/0", 2, 3)] * 2
    assert [line.split(" from")[0] for line in said] == [f"warning: conv1/{n} holds NaN or infinity" for n in (0, 1)]


def test_a_run_that_goes_on_says_from_where(tmp_path):
    for first in (0, 40):
        Events(tmp_path, first, print).close()
    assert [one.step for one in events_in(tmp_path) if one.HasField("session_log")] == [0, 41]


def test_a_full_disk_ends_the_events_and_not_the_run(tmp_path):
    said = []
    events = Events(tmp_path, 0, said.append)
    events.show(TRAIN)
    events._file._py_recordio_writer._writer = open("/dev/full", "wb")  # noqa: SIM115 - closed with the events
    for _ in range(2):
        events.show(TEST)
    events.close()
    assert said == [f"warning: no more events for TensorBoard: cannot write to {tmp_path}: No space left on device"]


def test_a_folder_that_cannot_be_written_and_a_missing_library_are_said(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(NetdefError, match=r"cannot write events to .*: Not a directory"):
        Events(tmp_path / "file" / "run", 0, print)
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(NetdefError, match=r"needs the library tensorboardX(.|\n)*pip install 'tensorboardX>=2.6'"):
        Events(tmp_path, 0, print)


def test_discarded_events_leave_the_files_of_others(tmp_path):
    Events(tmp_path, 0, print).close()
    before = list(tmp_path.iterdir())
    events = Events(tmp_path, 40, print)
    events.discard()
    assert list(tmp_path.iterdir()) == before
