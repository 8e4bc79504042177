"""`netdef shapes`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from netdef.cli.options import Overrides, allow_python_option, batch_option, phase_option, set_option
from netdef.cli.shell import Command
from netdef.cli.unsized import say_unsized
from netdef.language.diagnostics import NetdefError

START = 1024  # bytes that tell a text from other files


def image_of(_: click.Context, __: click.Parameter, text: str | None) -> tuple[int, ...]:
    """--input."""
    sides = (text or "").lower().split("x")
    if text is not None and not (len(sides) == 3 and all(side.isascii() and side.isdecimal() and int(side) for side in sides)):
        raise NetdefError(f"--input {text}: an image is channels x rows x columns", hint="write 1x28x28, say")
    return tuple(map(int, sides)) if text is not None else ()


@click.command(cls=Command)
@click.argument("net")
@phase_option
@batch_option
@set_option
@allow_python_option
@click.option("--input", "image", metavar="CxHxW", callback=image_of, help="Of an image of sources whose data are not here.")
@click.option("--format", "form", type=click.Choice(["text", "json", "yaml", "csv"]), default="text", show_default=True)
def command(net: str, phase: str | None, batch: int | None, overrides: Overrides, image: tuple[int, ...], form: str) -> None:
    """Shapes, weights, costs and memory of NET, layer by layer.

    Of a .caffemodel.h5, which has no net, only the weights; so of a .caffemodel whose net does not say how large its images are.
    """
    from netdef.language.foreign import holds_hdf5

    options = {"--phase": phase, "--batch": batch, "--set": overrides, "--input": image}
    given = [name for name, value in options.items() if value]
    if holds_hdf5(net):
        if given:
            raise NetdefError(f"{', '.join(given)}: of no use where a file has weights and no net", hint="leave it out")
        click.echo(weights_table(net, form))
        return
    from netdef.graph.layer import SIZE_UNKNOWN
    from netdef.loading import open_net
    from netdef.shapes import render

    opened = open_net(net, overrides, batch, phase)
    opened.bound.announce()
    try:
        found = opened.net(phase or opened.phase_with_data(), image, partial=not holds_binary(opened.filename))
        say_unsized(found)
        click.echo(render(found, form))
    except NetdefError as error:
        types = {layer.name: layer.type for layer in opened.message.layer}
        typed = any(types.values())
        sizes_lack = all(one.code == SIZE_UNKNOWN for one in error.diagnostics)
        if given or (typed and not sizes_lack) or not holds_binary(opened.filename):
            raise
        if typed:
            click.echo(f"note: {error.diagnostics[0].message}, so that the shapes of blobs are left out", err=True)
        click.echo(weights_table(opened.filename, form, types if typed else None))


def holds_binary(file: str) -> bool:
    """Whether it is a file that holds no text, as a .caffemodel does."""
    from netdef.language.foreign import is_binary

    if not Path(file).is_file():
        return False
    with open(file, "rb") as start:
        return is_binary(start.read(START))


def weights_table(file: str, form: str, types: Mapping[str, str] | None = None) -> str:
    """The weights in a file; raises as `read_weights`.  types: of its layers, where they are known."""
    from netdef.weights import read_weights
    from netdef.weights.table import render

    return render(read_weights(file), file, form, types)
