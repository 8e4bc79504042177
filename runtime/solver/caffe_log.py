"""The log of a `caffe train`, as the records that a run of ours has in log.jsonl.

Caffe's src/caffe/solver.cpp and sgd_solver.cpp write, behind glog's time and place:

    Iteration 100, loss = 0.5                              the mean of the last average_loss losses; forks put a speed in between
        Train net output #0: loss = 0.4 (* 1 = 0.4 loss)   of the last batch
    Iteration 100, lr = 0.01
    Iteration 500, Testing net (#0)
        Test net output #0: accuracy = 0.9
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

Record = dict[str, Any]

NUMBER = r"([-+]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[-+]?[0-9]+)?|nan|inf))"
COUNT = r"([0-9]{1,15})"  # as many digits as a count of iterations can have
GLOG = re.compile(r"^[IWEF]\d{4,8} \d\d:\d\d:\d\d")
ITERATION = re.compile(rf"Iteration {COUNT}(?: \(.*?\))?, (loss|lr) = {NUMBER}", re.I)
TESTING = re.compile(rf"Iteration {COUNT}, Testing net \(#{COUNT}\)")
OUTPUT = re.compile(rf"(Train|Test) net output #\d+: (.+?) = {NUMBER}(?: \(\* {NUMBER} = {NUMBER} loss\))?", re.I)
SETTING = re.compile(r'^\s*(max_iter|iter_size|name|batch_size): "?([^"]*)"?\s*$')


def is_caffe_log(line: str) -> bool:
    """Whether a line is one of glog's."""
    return bool(GLOG.match(line))


def caffe_records(lines: Iterable[str]) -> list[Record]:
    """The records of a log; where a run was resumed from a snapshot, it starts again."""
    reader = _Reader()
    records: list[Record] = []
    for record in reader.records(lines):
        last = records[-1]["iteration"] if records else 0
        if not records or record["iteration"] < last:
            records.append({"event": "start", "iteration": record["iteration"] if records else 0})
        records.append(record)
    start: Record = {"name": reader.settings.get("name", "caffe"), "max_iter": reader.count("max_iter", 0)}
    start["batch_size"] = reader.count("batch_size", 0) * reader.count("iter_size", 1)
    accuracies = _accuracies(records)
    for record in records:
        if record["event"] == "start":
            record |= start
        elif record["event"] == "test":
            record["accuracies"] = [name for name in record["outputs"] if name in accuracies]
    end = start["max_iter"] or None  # at max_iter Caffe runs forward once more, and trains no more
    return [record for record in records if not (record["event"] == "train" and record["iteration"] == end)]


class _Reader:
    """What the lines of a log say, one after the other."""

    def __init__(self) -> None:
        self.settings: dict[str, str] = {}  # the first of each: those of the solver, then of the training net
        self._train: Record | None = None
        self._test: Record | None = None

    def count(self, name: str, default: int) -> int:
        """A setting; the default where it is none, or no count."""
        text = self.settings.get(name, "").strip()
        return int(text) if re.fullmatch(COUNT, text) else default

    def records(self, lines: Iterable[str]) -> Iterator[Record]:
        for line in lines:
            yield from self._line(line)
        yield from self._done()

    def _line(self, line: str) -> Iterator[Record]:
        if setting := SETTING.match(line):
            self.settings.setdefault(setting[1], setting[2])
        elif found := TESTING.search(line):
            yield from self._done()
            self._test = {"event": "test", "iteration": int(found[1]), "net": int(found[2]), "loss": None, "outputs": {}}
        elif found := ITERATION.search(line):
            iteration, name, value = int(found[1]), found[2], float(found[3])
            if name == "lr":
                if self._train is not None and self._train["iteration"] == iteration:
                    self._train["rate"] = value
                return
            yield from self._done()
            self._train = {"event": "train", "iteration": iteration, "due": True, "loss": value, "batch_loss": None}
        elif found := OUTPUT.search(line):
            self._output(found)

    def _output(self, found: re.Match[str]) -> None:
        record, field = (self._train, "batch_loss") if found[1] == "Train" else (self._test, "loss")
        if record is None:
            return
        if found[5] is not None:
            record[field] = (record[field] or 0.0) + float(found[5])
        elif found[1] == "Test":
            record["outputs"][found[2]] = float(found[3])

    def _done(self) -> Iterator[Record]:
        """The records that no more lines belong to, in the log's order."""
        for record in (self._test, self._train):
            if record is not None:
                yield record
        self._test = self._train = None


def _accuracies(records: Iterable[Record]) -> set[str]:
    """The outputs that may be shares of right answers: no losses, and never outside of 0 to 1."""
    values: dict[str, list[float]] = {}
    for record in records:
        for name, value in record.get("outputs", {}).items():
            values.setdefault(name, []).append(value)
    return {name for name, found in values.items() if all(0 <= value <= 1 for value in found)}
