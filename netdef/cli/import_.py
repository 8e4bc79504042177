"""`netdef import`: a net and its weights from an ONNX file, or weights from a state_dict."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from netdef.cli.options import COUNT
from netdef.cli.shell import Command
from netdef.language.diagnostics import NetdefError
from netdef.language.units import plural, shortened

SHOWN = 8  # arrays named in a line
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
@click.option("--out", "-o", metavar="NET", help="Where the net of an ONNX file goes: .prototxt or .net.")
@click.option("--weights", required=True, metavar="FILE", help="Where the weights go: .caffemodel or .caffemodel.h5.")
@click.option("--net", metavar="NET", help="The net that a state_dict is for.")
@click.option("--names", metavar="FILE", help="A table of which array is which parameter, instead of the one that is proposed.")
@click.option("--batch", type=COUNT, metavar="N", help="Images in a batch; default: the file's, 1 where it leaves that open.")
@click.option("--shape", "shapes", multiple=True, callback=read_shapes, metavar="INPUT=1x3x224x224", help="Of an input.")
@click.option("--no-check", is_flag=True, help="Do not compare the net with the file.")
def command(source: str, **options: Any) -> None:
    """Write the net and the weights of an ONNX file, or a state_dict, as files of Caffe.

    The net of an ONNX file is compared with what ONNX Runtime makes of the file; one that differs is not written. A state_dict
    (.safetensors, .npz, .pth) is for the net that --net names; the table of its names is proposed and printed.
    """
    import_file(source, Options(**options))


@dataclass(frozen=True, kw_only=True)
class Options:
    """What --NAME gives; None for what was not given."""

    out: str | None
    weights: str
    net: str | None
    names: str | None
    batch: int | None
    shapes: dict[str, tuple[int, ...]]
    no_check: bool

    def refuse(self, why: str, *names: str) -> None:
        """Raises NetdefError for options that are given and say nothing here."""
        given = [f"--{name.replace('_', '-').replace('shapes', 'shape')}" for name in names if getattr(self, name)]
        if given:
            raise NetdefError(f"{', '.join(given)}: {why}", hint="leave it out")


def import_file(source: str, options: Options) -> None:
    """Run `netdef import FILE` and print what was written.

    Raises
    ------
    NetdefError: the file cannot be read or expressed, the net differs from it, or a file cannot be written.
    """
    from runtime.exchange.state_dict import READ

    if not options.weights.endswith((".caffemodel", ".h5")):
        raise NetdefError(f"{options.weights}: unknown ending", hint="endings: .caffemodel, .caffemodel.h5")
    if Path(source).suffix in READ:
        _state_dict(source, options)
    else:
        _onnx(source, options)


def _onnx(source: str, options: Options) -> None:
    from netdef.fmt import formatted
    from netdef.language.printer import print_message
    from netdef.language.writing import replacing
    from runtime.exchange.onnx_in.importing import import_onnx
    from runtime.machine.weights import write_weights

    options.refuse("it is about a state_dict, and an ONNX file has its own net", "net", "names")
    if options.out is None:
        raise NetdefError(f"{source} has a net: -o says where it goes", hint="-o net.prototxt")
    form = ENDINGS.get(Path(options.out).suffix)
    if form is None:
        raise NetdefError(f"{options.out}: unknown ending", hint=f"endings: {', '.join(ENDINGS)}")
    found = import_onnx(source, options.batch, options.shapes, not options.no_check)
    text = formatted(print_message(found.message), options.out, form)
    with replacing(options.out) as partial:  # both files are written, or none
        partial.write_text(text, encoding="utf-8")
        write_weights(options.weights, found.net, found.read)
    click.echo(f"{options.out}, {options.weights}: {plural(len(found.net.layers), 'layer')}, {found.net.totals.counts}")
    click.echo(str(found.agreement) if found.agreement else "not compared with the file")
    for note in found.notes:
        click.echo(f"note: {note}")


def _state_dict(source: str, options: Options) -> None:
    import numpy as np

    from runtime.exchange.state_dict import propose, read_arrays, read_table, weights_of
    from runtime.exchange.unsaid import differences
    from runtime.machine.weights import OTHER_NET, remark, write_weights
    from runtime.solver.nets import load_net

    options.refuse("it is about an ONNX file, which a state_dict is not", "out", "batch", "shapes", "no_check")
    if options.net is None:
        raise NetdefError(f"{source} holds arrays and no net: --net names the net that they are for")
    net, arrays = load_net(options.net, "test"), read_arrays(source)
    proposal = propose(net, arrays) if options.names is None else None
    table = read_table(options.names) if options.names is not None else proposal.table if proposal is not None else {}
    held = weights_of(net, arrays, table, source)

    def read(layer: str, index: int) -> Any:
        owner = net.layer(layer).parameters[index].owner
        return held.get(str(owner), np.ones(owner.shape, np.float32))  # of a BatchNorm's divisor

    write_weights(options.weights, net, read)
    if proposal is not None:
        for name, key in table.items():
            click.echo(f"{name} {key}" + ("  # others have its shape" if name in proposal.unsure else ""))
    extra = [name for name in arrays if name not in table.values() and not name.endswith("num_batches_tracked")]
    if extra:
        click.echo(f"# {plural(len(extra), 'array')} of {source} that no parameter takes: {shortened(extra, SHOWN)}")
    click.echo(f"# {options.weights}: {plural(len(held), 'array')}, {net.totals.counts}")
    for text in differences(net, arrays, table):
        remark(f"{OTHER_NET}{source} holds no strides, padding and rounding: {text}")
