"""The directory of a run as an object: its net, its weights, and what its log says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from netdef.language.diagnostics import NetdefError
from netdef.language.find import find_net
from netdef.language.html_table import table
from netdef.language.paths import path_of
from netdef.language.records import as_table
from netdef.weights.snapshots import weights_of_run
from runtime.machine.compile import compile
from runtime.solver.best import Best
from runtime.solver.log import Record, done, read_log
from runtime.solver.nets import load_net

if TYPE_CHECKING:
    from netdef.graph.net import Net
    from runtime.machine.executable import Executable

WHOLE = ("iteration", "net")


class Run:
    """A run that `netdef train` made, or is making.

    Attributes
    ----------
    path: its directory.
    records: its log, as far as it was written when this object was made, or `refresh` was called.

    Raises
    ------
    NetdefError: there is no log in the directory, or no run in it.
    """

    def __init__(self, path: str | Path):
        self.path = path_of(path, "the directory of a run")
        self.records: list[Record] = []
        self.refresh()

    def refresh(self) -> None:
        """Read the log again.  Raises as the class."""
        records = read_log(self.path)
        if not any(record["event"] == "start" for record in records):
            raise NetdefError(
                f"the log in {self.path} has no start of a run", hint="netdef train writes log.jsonl into its run's directory"
            )
        self.records = records

    @property
    def start(self) -> Record:
        """The record of its last start: name, max_iter, batch_size, devices, seed and others."""
        return next(record for record in reversed(self.records) if record["event"] == "start")

    @property
    def iteration(self) -> int:
        """How many the log says were made."""
        return done(self.records)

    @property
    def state(self) -> str:
        """finished, interrupted, diverged ...; "not ended" while it runs, or where it was killed."""
        last = next(record for record in reversed(self.records) if record["event"] in ("start", "end"))
        return str(last.get("reason", "ended")) if last["event"] == "end" else "not ended"

    @property
    def best(self) -> Best:
        """Its best test: name, value and iteration; the value is None before the first."""
        best = Best()
        best.take_log(self.records)
        return best

    @property
    def net(self) -> Net:
        """Its net in phase test."""
        return load_net(find_net(self.path), "test")

    @property
    def weights(self) -> Path:
        """Those of its last snapshot.  Raises NetdefError: it has none."""
        return weights_of_run(self.path)

    def compile(self, **options: Any) -> Executable:
        """Its net with these weights, ready to run forward; options are those of `runtime.compile`."""
        executable = compile(self.net, **{"backward": False, **options})
        try:
            executable.load_weights(self.weights)
        except BaseException:
            executable.close()
            raise
        return executable

    def training(self, frame: bool | None = None) -> Any:
        """A record for each line of training: iteration, loss, rate and others; `frame` as of `Net.table`."""
        return self._table("train", ("iteration", "epoch", "loss", "batch_loss", "rate", "images_per_second"), frame)

    def tests(self, frame: bool | None = None) -> Any:
        """A record for each test: iteration, net, loss and the outputs; `frame` as of `Net.table`."""
        return self._table("test", ("iteration", "net", "loss"), frame)

    def _table(self, event: str, fields: tuple[str, ...], frame: bool | None) -> Any:
        records = [record for record in self.records if record["event"] == event]
        rows = [{**{name: record[name] for name in fields if name in record}, **record.get("outputs", {})} for record in records]
        return as_table(rows, WHOLE, frame)

    def __repr__(self) -> str:
        start, best = self.start, self.best
        reached = f"; best {best.name} {best.value:.5g} at iteration {best.iteration}" if best.value is not None else ""
        where = f"iteration {self.iteration} of {start.get('max_iter', '?')}, {self.state}"
        return f"<Run {str(self.path)!r} {start.get('name', '')!r}: {where}{reached}; on {start.get('devices', '?')}>"

    def _repr_html_(self) -> str:
        """Its start, and its tests, as tables for notebooks."""
        facts = [(name, value) for name, value in self.start.items() if name not in ("event", "time") and value is not None]
        tests: list[dict[str, Any]] = self.tests(frame=False)
        names = list(dict.fromkeys(name for test in tests for name in test))
        rows = [[_shown(test.get(name)) for name in names] for test in tests]
        return table(repr(self), ("", ""), facts) + table("tests", names, rows)


def _shown(value: Any) -> str:
    return "" if value is None else f"{value:.5g}" if isinstance(value, float) else str(value)
