"""`netdef study --dry-run`: what the runs of a study take, from a few iterations of each net; nothing is trained or written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from netdef.language.units import plural

if TYPE_CHECKING:
    from netdef.cli.dry_run import Findings
    from netdef.cli.train_options import Options


def dry_study(
    nets: Mapping[str, str], phases: Sequence[Sequence[tuple[str, float]]], solver: str, options: Options, devices: int
) -> int:
    """Print what each net takes and the time of all runs; returns 1 if there are problems, else 0.

    Parameters
    ----------
    nets: names and files.  phases: the runs, as a net's name and the share that is to be done; a phase begins after the one before.
    solver: the text of the solver.  options: of `netdef train`.  devices: that train side by side.
    """
    from netdef.cli.train import train
    from runtime.solver.display import duration

    problems, seconds = 0, dict.fromkeys(nets, 0.0)
    for name, net in nets.items():
        left = sum(share for phase in phases for own, share in phase if own == name)
        if not left:
            click.echo(f"{name}: all runs are finished")
            continue
        found: list[Findings] = []
        with TemporaryDirectory() as folder:
            path = Path(folder) / "solver.txt"
            path.write_text(solver)
            click.echo(f"{name}:", err=True)
            problems += train(net, str(path), replace(options, dry_run=True), on_dry_run=found.append)
        seconds[name] = found[0].seconds
        click.echo(f"{name}: {duration(left * seconds[name])} for {left:.3g} {'run' if left == 1 else 'runs'}")
    whole = sum(side_by_side([share * seconds[name] for name, share in phase], devices) for phase in phases)
    over = f" on {devices} devices" if devices > 1 else ""
    click.echo(f"the study takes about {duration(whole)}{over}, {plural(problems, 'net')} with problems")
    return 1 if problems else 0


def side_by_side(seconds: Sequence[float], devices: int) -> float:
    """How long runs take that begin in this order, each on the device that is free first."""
    ends = [0.0] * devices
    for own in seconds:
        ends[ends.index(min(ends))] += own
    return max(ends)


def left_of(out: Path) -> float:
    """The share of a run that is still to be done, by its log."""
    from runtime.solver.log import read_log

    if not (out / "log.jsonl").exists() or not list(out.glob("*.solverstate*")):
        return 1.0
    records = read_log(out)
    done = max((record["iteration"] for record in records if record["event"] == "snapshot"), default=0)
    whole = max((record["max_iter"] for record in records if record["event"] == "start"), default=0)
    return max(0.0, 1 - done / max(1, whole))
