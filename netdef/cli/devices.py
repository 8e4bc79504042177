"""`netdef devices`."""

from __future__ import annotations

import click

from netdef.cli.shell import Command


@click.command(cls=Command)
def command() -> None:
    """The devices of this machine: the cores, the graphics cards, and why a card cannot be used."""
    from runtime.machine.listing import listing

    click.echo(listing())
