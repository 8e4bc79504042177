"""`netdef draw`."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netdef.cli.arguments import weights_files
from netdef.cli.options import SPLIT, Overrides, allow_python_option, batch_option, phase_option, set_option
from netdef.cli.shell import Command
from netdef.cli.unsized import say_unsized
from netdef.language.diagnostics import NetdefError

if TYPE_CHECKING:
    from netdef.graph.net import Net
    from netdef.loading import Opened

MOST = 16  # columns in a picture


@click.command(cls=Command)
@click.argument("net")
@click.option("-o", "--out", metavar="FILE", help="The picture; ends in .svg, .html, .png or .dot. Default: NET.svg.")
@phase_option
@batch_option
@set_option
@allow_python_option
@click.option("--style", type=click.Choice(["auto", "volumes", "cards"]), default="auto", help="Solids, or boxes of text.")
@click.option("--devices", metavar="DEVICES", help="Spread it over devices, a column each: 2, or cpu:0,cpu:1.")
@click.option("--split", type=SPLIT, help="How to spread it.")
@click.option(
    "--weights", multiple=True, metavar="FILE", help="In an .html file show the filters and the distribution of these weights."
)
def command(
    net: str,
    out: str | None,
    phase: str | None,
    batch: int | None,
    overrides: Overrides,
    style: str,
    devices: str | None,
    split: str | None,
    weights: tuple[str, ...],
) -> None:
    """Draw NET: shapes, parameters and costs. In an .html file the mouse shows all that is known of a layer."""
    from netdef.draw import draw
    from netdef.loading import open_net

    opened, path = open_net(net, overrides, batch, phase), out or f"{Path(net).stem}.svg"
    if weights and Path(path).suffix.lower() != ".html":
        raise NetdefError(f"{path}: weights are shown in a page", hint="-o net.html")
    opened.bound.announce()
    whole = net_of(opened, phase, partial=devices is None)
    say_unsized(whole)
    trained = None
    if weights:
        from runtime.pictures.distributions import trained_layers

        trained = trained_layers(whole, [file for given in weights for file in weights_files(given)])
    if devices is None:
        if split is not None:
            raise NetdefError("--split divides a net over several devices", hint="give --devices 2")
        click.echo(draw(whole, path, style, trained=trained))
        return
    placed, names = spread(whole, devices, split)
    click.echo(draw(placed, path, style, whole, names, trained))


def net_of(opened: Opened, phase: str | None, partial: bool) -> Net:
    """The net in a phase; where none is given and a binary file does not fit its own, as those of other programs, in the other one.

    Raises
    ------
    NetdefError: it cannot be built.
    """
    first = phase or opened.phase_with_data()
    try:
        return opened.net(first, partial=partial)
    except NetdefError:
        if phase is not None or opened.bound.source is not None:
            raise
        other = "train" if first == "test" else "test"
        with suppress(NetdefError):
            net = opened.net(other, partial=partial)
            click.echo(f"note: {opened.filename} is drawn in the {other} phase: in the other one it is no whole net", err=True)
            return net
        raise


def spread(net: Net, devices: str, split: str | None = None) -> tuple[Net, tuple[str, ...]]:
    """The net divided over devices, and their names; `devices` is a list of names, or how many there are.

    Raises
    ------
    NetdefError: `devices` is neither, `split` is given for one device, or a layer's type cannot run.
    """
    from runtime.compiler.placement.place import place
    from runtime.machine.open import device_names

    given = () if devices.isdecimal() else device_names(devices)
    count = len(given) or int(devices)
    if not 1 <= count <= MOST:
        raise NetdefError(f"a picture has 1 to {MOST} devices, not {count}")
    if split is not None and count == 1:
        raise NetdefError(f"--split {split} divides a net over several devices", hint="--devices 2, say")
    if len(set(given)) < len(given):
        given = tuple(f"share {number} on {name}" for number, name in enumerate(given))
    training = net.phase == "train"
    return place(net, count, split, training, losses_only=training).net, given or tuple(f"device {i}" for i in range(count))
