"""`netdef plot`."""

from __future__ import annotations

import click

from netdef.cli.shell import Command


@click.command(cls=Command)
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("--out", metavar="FILE", help="The picture; default: plot.png beside the first log.")
def command(runs: tuple[str, ...], out: str | None) -> None:
    """Draw loss, accuracy and rate of each RUN to one PNG: a run's directory, or what `caffe train` printed."""
    from runtime.solver.plot import plot

    click.echo(plot(*runs, out=out))
