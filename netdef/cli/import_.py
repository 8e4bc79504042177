"""`netdef import`: a net and its weights from an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from netdef.cli.options import COUNT
from netdef.cli.shell import Command
from netdef.language.diagnostics import NetdefError
from netdef.language.units import plural

ENDINGS = {".net": "net", ".prototxt": "prototxt", ".pbtxt": "prototxt"}


def read_shapes(ctx: click.Context, param: click.Parameter, texts: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    """--shape: NAME=1x3x224x224."""
    found: dict[str, tuple[int, ...]] = {}
    for text in texts:
        name, _, sizes = text.rpartition("=")
        try:
            shape = tuple(map(int, sizes.split("x")))
        except ValueError:
            shape = ()
        if not name or not shape or min(shape) < 1:
            raise click.BadParameter(f"{text} is no NAME=1x3x224x224", ctx, param)
        found[name] = shape
    return found


@click.command(cls=Command)
@click.argument("source", metavar="FILE")
@click.option("--out", "-o", required=True, metavar="NET", help="Where the net goes: .prototxt or .net.")
@click.option("--weights", required=True, metavar="FILE", help="Where the weights go: .caffemodel or .caffemodel.h5.")
@click.option("--batch", type=COUNT, metavar="N", help="Images in a batch; default: the file's, 1 where it leaves that open.")
@click.option("--shape", "shapes", multiple=True, callback=read_shapes, metavar="INPUT=1x3x224x224", help="Of an input.")
@click.option("--no-check", is_flag=True, help="Do not compare the net with the file.")
def command(source: str, **options: Any) -> None:
    """Write the net and the weights of an ONNX file as files of Caffe.

    The net is compared with what ONNX Runtime makes of the file; one that differs is not written.
    """
    import_file(source, **options)


def import_file(source: str, out: str, weights: str, batch: int | None, shapes: dict[str, tuple[int, ...]], no_check: bool) -> None:
    """Run `netdef import FILE` and print what was written.

    Raises
    ------
    NetdefError: the file cannot be read or expressed, the net differs from it, or a file cannot be written.
    """
    from netdef.fmt import formatted
    from netdef.language.printer import print_message
    from netdef.language.writing import write_over
    from runtime.exchange.onnx_in.importing import import_onnx
    from runtime.machine.weights import write_weights

    form = ENDINGS.get(Path(out).suffix)
    if form is None:
        raise NetdefError(f"{out}: unknown ending", hint=f"endings: {', '.join(ENDINGS)}")
    if not weights.endswith((".caffemodel", ".h5")):
        raise NetdefError(f"{weights}: unknown ending", hint="endings: .caffemodel, .caffemodel.h5")
    found = import_onnx(source, batch, shapes, not no_check)
    text = formatted(print_message(found.message), out, form)
    write_weights(weights, found.net, found.read)
    write_over(out, text)
    click.echo(f"{out}, {weights}: {plural(len(found.net.layers), 'layer')}, {found.net.totals.counts}")
    click.echo(str(found.agreement) if found.agreement else "not compared with the file")
