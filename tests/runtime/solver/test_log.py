"""The log: a line for each record, whole after a kill, and without what a resumed run did again."""

import fcntl
import json
from threading import Timer

import pytest

from netdef import NetdefError
from runtime.solver import log as log_module
from runtime.solver.log import JsonLog, read_log


def write(path, *records):
    log = JsonLog(path)
    for record in records:
        log.show(record)
    log.close()


def test_lines_of_json(tmp_path):
    write(tmp_path / "log.jsonl", {"event": "note", "text": "naïve"}, {"event": "end", "lines": []})
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["note", "end"]


def test_on_disk_at_once(tmp_path):
    log = JsonLog(tmp_path / "log.jsonl")
    log.show({"event": "note", "text": "x"})
    assert (tmp_path / "log.jsonl").read_text().endswith("\n")
    log.close()


def test_no_numbers_that_json_lacks(tmp_path):
    write(tmp_path / "log", {"event": "test", "loss": float("nan"), "outputs": {"a": float("inf"), "b": [1.5]}})
    text = (tmp_path / "log").read_text()
    assert json.loads(text, parse_constant=pytest.fail)["outputs"] == {"a": None, "b": [1.5]}


def test_a_line_cut_by_a_kill(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"event":"note","text":"whole"}\n{"event":"tra')
    write(path, {"event": "note", "text": "after"})
    assert [record["text"] for record in read_log(tmp_path)] == ["whole", "after"]
    assert [json.loads(line)["text"] for line in path.read_text().splitlines()] == ["whole", "after"]


@pytest.mark.parametrize("tail", [bytes(1 << 17), b"x" * 9, b'{"event":"train"}'], ids=["zeros", "noise", "no newline"])
def test_what_a_power_cut_leaves_at_the_end_is_removed(tail, tmp_path):
    whole = b'{"event":"note","text":"whole"}\n'
    for before in (whole, b""):
        (tmp_path / "log.jsonl").write_bytes(before + tail)
        JsonLog(tmp_path / "log.jsonl").close()
        assert (tmp_path / "log.jsonl").read_bytes() == before


def test_a_resumed_run_replaces_what_it_does_again(tmp_path):
    first = [{"event": "start", "iteration": 0}]
    first += [{"event": "train", "iteration": n, "run": 1} for n in range(6)]
    first.insert(5, {"event": "snapshot", "iteration": 4})
    first.insert(6, {"event": "test", "iteration": 4, "run": 1})
    second = [{"event": "start", "iteration": 4}]
    second += [{"event": "test", "iteration": 4, "run": 2}]
    second += [{"event": "train", "iteration": n, "run": 2} for n in range(4, 8)]
    write(tmp_path / "log.jsonl", *first, *second)
    records = read_log(tmp_path)
    assert [r["iteration"] for r in records if r["event"] == "train"] == list(range(8))
    assert [r["run"] for r in records if r["event"] == "train"] == [1] * 4 + [2] * 4
    assert [r["run"] for r in records if r["event"] == "test"] == [2]
    assert [r["event"] for r in records].count("snapshot") == 1


def test_a_test_where_a_run_goes_on_stays_until_it_is_made_again(tmp_path):
    """The test at the end of a run is not due when the run is extended."""
    path = tmp_path / "log.jsonl"
    ended = [{"event": "start", "iteration": 0}, {"event": "train", "iteration": 9}, {"event": "snapshot", "iteration": 10}]
    ended += [{"event": "test", "iteration": 10, "net": net, "loss": 1.0} for net in (0, 1)]
    more = [{"event": "start", "iteration": 10}, {"event": "test", "iteration": 20, "loss": 2.0}]
    write(path, *ended, {"event": "test", "iteration": 14, "loss": 9.0}, *more)
    found = [(r["iteration"], r.get("net", 0)) for r in read_log(path) if r["event"] == "test"]
    assert found == [(10, 0), (10, 1), (20, 0)]
    write(path, {"event": "start", "iteration": 0})
    assert [r["event"] for r in read_log(path)] == ["start"] * 3


def test_no_log(tmp_path):
    with pytest.raises(NetdefError, match=r"log\.jsonl"):
        read_log(tmp_path)
    with pytest.raises(NetdefError, match="cannot write"):
        JsonLog("/proc/none/log.jsonl")


TRAINED = {"event": "train", "iteration": 2, "loss": 2.5, "rate": None, "outputs": {"loss": 2.5}, "accuracies": ["top1"]}


@pytest.mark.parametrize(
    "damage",
    [
        {"event": ["train"]},
        {"event": "snapshot"},
        *({**TRAINED, "iteration": wrong} for wrong in (None, -1, 1.5, True, "2", 1 << 60)),
        *({**TRAINED, field: wrong} for field in ("loss", "rate", "epoch", "time") for wrong in ("x", {}, True, 1 << 2000)),
        {**TRAINED, "event": "test", "net": "x"},
        {**TRAINED, "outputs": [1]},
        {**TRAINED, "outputs": {"loss": "x"}},
        {**TRAINED, "accuracies": "top1"},
        {**TRAINED, "accuracies": [{}]},
    ],
)
def test_a_record_that_no_run_writes(damage, tmp_path):
    write(tmp_path / "log.jsonl", TRAINED)
    assert read_log(tmp_path) == [TRAINED]
    with open(tmp_path / "log.jsonl", "a") as file:
        file.write("no JSON\n" + json.dumps(damage) + "\n")
    with pytest.raises(NetdefError, match=r"log.jsonl is damaged: line 3 is not as netdef writes it"):
        read_log(tmp_path)


def test_one_run_at_a_time(tmp_path):
    log = JsonLog(tmp_path / "log.jsonl")
    with pytest.raises(NetdefError, match="another run is writing to"):
        JsonLog(tmp_path / "log.jsonl")
    log.close()
    JsonLog(tmp_path / "log.jsonl").close()


def test_looking_keeps_nobody_from_looking_nor_from_writing(tmp_path):
    path = tmp_path / "log.jsonl"
    path.touch()
    with open(path, "rb") as looks:
        fcntl.flock(looks, fcntl.LOCK_SH)
        JsonLog.check_unlocked(path)
        closing = Timer(0.05, lambda: fcntl.flock(looks, fcntl.LOCK_UN))
        closing.start()
        JsonLog(path).close()
        closing.join()


def test_a_log_that_is_not_wanted(tmp_path):
    log = JsonLog(tmp_path / "log.jsonl")
    log.discard()
    assert not (tmp_path / "log.jsonl").exists()


def test_a_lock_on_a_log_that_is_gone_counts_for_nothing(tmp_path, monkeypatch):
    """Another run removed the log between our opening and our locking it."""
    path, real = tmp_path / "log.jsonl", log_module._lock

    def removed(descriptor, *kind):
        path.unlink()
        return real(descriptor, *kind)

    monkeypatch.setattr(log_module, "_lock", removed)
    with pytest.raises(NetdefError, match="another run is writing to"):
        JsonLog(path)
