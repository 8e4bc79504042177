"""`netdef shapes`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from netdef.cli.options import Overrides, allow_python_option, batch_option, phase_option, set_option
from netdef.cli.shell import Command
from netdef.language.diagnostics import NetdefError


@click.command(cls=Command)
@click.argument("net")
@phase_option
@batch_option
@set_option
@allow_python_option
@click.option("--format", "form", type=click.Choice(["text", "json", "yaml", "csv"]), default="text", show_default=True)
def command(net: str, phase: str | None, batch: int | None, overrides: Overrides, form: str) -> None:
    """Shapes, weights, costs and memory of NET, layer by layer.

    Of a .caffemodel.h5, which has no net, only the weights.
    """
    from netdef.language.foreign import holds_hdf5

    if holds_hdf5(net):
        click.echo(weights_table(net, {"--phase": phase, "--batch": batch, "--set": overrides}, form))
        return
    from netdef.loading import load
    from netdef.shapes import render

    click.echo(render(load(net, phase, overrides, batch), form))


def weights_table(file: str, options: Mapping[str, Any], form: str) -> str:
    """The weights in a file without a net.

    Raises
    ------
    NetdefError: an option about a net is given, or the file is damaged.
    """
    from netdef.weights import read_weights
    from netdef.weights.table import render

    given = [name for name, value in options.items() if value]
    if given:
        raise NetdefError(f"{', '.join(given)}: of no use where a file has weights and no net", hint="leave it out")
    return render(read_weights(file), file, form)
