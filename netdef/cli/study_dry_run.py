"""`netdef study --dry-run`: what the runs of a study take, from a few iterations of each net; nothing is trained or written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from netdef.language.units import plural

if TYPE_CHECKING:
    from netdef.cli.dry_run import Findings
    from netdef.cli.train_options import Options


def dry_study(nets: Mapping[str, str], left: Mapping[str, float], solver: str, options: Options, devices: int) -> int:
    """Print what each net takes and the time of all runs; returns 1 if there are problems, else 0.

    Parameters
    ----------
    nets: names and files.  left: how many runs of each are to be done, with fractions of those that have begun.
    solver: the text of the solver.  options: of `netdef train`.  devices: that train side by side.
    """
    from netdef.cli.train import train
    from runtime.solver.display import duration

    problems, whole = 0, 0.0
    for name, net in nets.items():
        if not left[name]:
            click.echo(f"{name}: all runs are finished")
            continue
        found: list[Findings] = []
        with TemporaryDirectory() as folder:
            path = Path(folder) / "solver.txt"
            path.write_text(solver)
            click.echo(f"{name}:", err=True)
            problems += train(net, str(path), replace(options, dry_run=True), on_dry_run=found.append)
        seconds = left[name] * found[0].seconds
        whole += seconds
        click.echo(f"{name}: {duration(seconds)} for {left[name]:.3g} runs")
    over = f" on each of {devices} devices" if devices > 1 else ""
    click.echo(f"the study takes about {duration(whole / devices)}{over}, {plural(problems, 'net')} with problems")
    return 1 if problems else 0


def left_of(out: Path) -> float:
    """The share of a run that is still to be done, by its log."""
    from runtime.solver.log import read_log

    if not (out / "log.jsonl").exists() or not list(out.glob("*.solverstate*")):
        return 1.0
    records = read_log(out)
    done = max((record["iteration"] for record in records if record["event"] == "snapshot"), default=0)
    whole = max((record["max_iter"] for record in records if record["event"] == "start"), default=0)
    return max(0.0, 1 - done / max(1, whole))
