"""`netdef plot`."""

from __future__ import annotations

import click

from netdef.cli.shell import Command


@click.command(cls=Command)
@click.argument("run", metavar="DIR")
@click.option("--out", metavar="FILE", help="The picture; default: DIR/plot.png.")
def command(run: str, out: str | None) -> None:
    """Draw loss, accuracy and rate of the run in DIR to a PNG."""
    from runtime.solver.plot import plot

    click.echo(plot(run, out))
