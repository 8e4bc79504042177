"""`netdef convert`."""

from __future__ import annotations

import click

from netdef.cli.options import Overrides, set_option
from netdef.cli.shell import Command


@click.command(cls=Command, reads_nets=True)
@click.argument("source", metavar="IN")
@click.argument("target", metavar="OUT")
@click.option("--weights/--no-weights", default=None, help="Weights go along, or not; by default from binary to binary.")
@set_option
def command(source: str, target: str, weights: bool | None, overrides: Overrides) -> None:
    """Write the net or solver in IN, a file or the name of a model, to OUT, in the form that its ending says.

    .net and .prototxt are text, .caffemodel and .binaryproto binary. With --set, comments stay behind.
    """
    from netdef.convert import convert

    click.echo(convert(source, target, weights, overrides))
