"""`netdef plot`."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

import click

from netdef.cli.shell import Command
from netdef.language.diagnostics import NetdefError

INTERVAL = 2.0  # seconds between two looks at the logs


@click.command(cls=Command)
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option(
    "-o",
    "--out",
    metavar="FILE",
    help="A .png or .svg, or a .html with values under the mouse; default: plot.png beside the first log.",
)
@click.option("--reach", type=click.FloatRange(0, 1), metavar="SHARE", help="Show when each run first was so accurate: 0.75, say.")
@click.option(
    "--follow", is_flag=True, help="Write the .html again whenever a log grows, until the runs end; the page reads itself again."
)
def command(runs: tuple[str, ...], out: str | None, reach: float | None, follow: bool) -> int:
    """Draw loss, accuracy and rate of each RUN in one picture: a run's directory, or what `caffe train` printed.

    Several runs are called by what distinguishes them from the first.
    """
    from netdef.diff.short import labels
    from runtime.solver.plot import PAGES, plot

    names = labels(list(dict.fromkeys(runs)))
    if follow:
        if out is None or Path(out).suffix.lower() not in PAGES:
            raise NetdefError("--follow writes a page again and again", hint="add -o run.html, and open that in a browser")
        return _follow(tuple(names), out, names, reach)
    click.echo(plot(*names, out=out, labels=names, reach=reach))
    if reach is not None:
        _say_reach(names, reach)
    return 0


def _say_reach(names: Mapping[str, str], reach: float) -> None:
    """Print when each run first was as accurate as asked."""
    from runtime.solver.curves import curves_of
    from runtime.solver.log import read_log

    for path, name in names.items():
        click.echo(f"{name}: {curves_of(name, read_log(path)).reach_text(reach)}")


def _follow(runs: tuple[str, ...], out: str, names: Mapping[str, str], reach: float | None) -> int:
    """Write the page until all runs have ended, or Ctrl-C; a run that has only begun is not in it yet."""
    from runtime.solver.plot import plot
    from runtime.solver.run_facts import is_running

    size = -1
    click.echo(f"{Path(out).absolute()} follows {'the runs' if len(runs) > 1 else 'the run'}; Ctrl-C ends it", err=True)
    try:
        while True:
            live = any(is_running(Path(run)) for run in runs)
            now = sum(_size(Path(run)) for run in runs)
            shown = [run for run in runs if not live or _has_results(run)]
            if shown and (now != size or not live):
                plot(*shown, out=out, labels=names, reach=reach, refresh=INTERVAL if live else None)
                size = now
            if not live:
                break
            time.sleep(INTERVAL)
    except KeyboardInterrupt:
        shown = [run for run in runs if _has_results(run)]
        if not shown:
            click.echo(f"{out} is not written: no run has iterations yet", err=True)
            return 0
        plot(*shown, out=out, labels=names, reach=reach)
    click.echo(out)
    if reach is not None:
        _say_reach({run: names[run] for run in shown}, reach)
    return 0


def _has_results(run: str) -> bool:
    """Whether there is anything to draw of a run."""
    from runtime.solver.log import read_log

    return any(record["event"] in ("train", "test") for record in read_log(run))


def _size(run: Path) -> int:
    from runtime.solver.log import NAME

    path = run / NAME if os.path.isdir(run) else run
    return path.stat().st_size if os.path.exists(path) else 0
