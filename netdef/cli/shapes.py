"""`netdef shapes`."""

from __future__ import annotations

import click

from netdef.cli.options import Overrides, batch_option, phase_option, set_option
from netdef.cli.shell import Command


@click.command(cls=Command)
@click.argument("net")
@phase_option
@batch_option
@set_option
@click.option("--format", "form", type=click.Choice(["text", "json", "yaml", "csv"]), default="text", show_default=True)
def command(net: str, phase: str | None, batch: int | None, overrides: Overrides, form: str) -> None:
    """Shapes, weights, costs and memory of NET, layer by layer."""
    from netdef.loading import load
    from netdef.shapes import render

    click.echo(render(load(net, phase, overrides, batch), form))
