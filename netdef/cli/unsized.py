"""The notes of commands that show shapes which are not known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from netdef.layers.data import Samples

if TYPE_CHECKING:
    from netdef.graph.net import Net


def say_unsized(net: Net) -> None:
    """Say on stderr why shapes of a net are not known, and what gives them."""
    for one in net.unsized:
        click.echo(f"note: {one.message}: it is shown as ?", err=True)
        if one.hint:
            click.echo(f"    {one.hint}", err=True)
    for layer in net.layers:
        if isinstance(layer, Samples) and layer.assumes_channels and layer.is_sized:
            text = f"{layer.type} {layer.name}: its data are not here, and images of {layer.channels} channels are assumed"
            click.echo(f"note: {text}\n    netdef shapes --input 1x28x28 says what one image is", err=True)
