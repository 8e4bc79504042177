"""`netdef devices`."""

from __future__ import annotations

import click

from netdef.cli.shell import Command


@click.command(cls=Command)
def command() -> None:
    """What NET could run on here: the cores, the graphics cards, and why one of those cannot be used."""
    from runtime.machine.listing import listing

    click.echo(listing())
