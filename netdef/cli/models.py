"""`netdef models`."""

from __future__ import annotations

import click

from netdef.cli.shell import Command, columns


@click.command(cls=Command)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(form: str) -> None:
    """The networks that come with netdef, each with a line about it and its totals."""
    from netdef.explain.model_list import WIDTH, render

    click.echo(render(form, columns(WIDTH)))
