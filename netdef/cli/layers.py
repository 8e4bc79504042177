"""`netdef layers`."""

from __future__ import annotations

import click

from netdef.cli.shell import Command, columns


@click.command(cls=Command)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(form: str) -> None:
    """All layer types, and the devices that can run them."""
    from netdef.explain import WIDTH, layers
    from runtime.ops.registry import devices_by_type

    click.echo(layers(devices_by_type(), form, columns(WIDTH)))
