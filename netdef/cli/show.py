"""`netdef show`: what a net has learned, and what it makes of images."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netdef.cli.arguments import weights_for
from netdef.cli.image_options import image_options
from netdef.cli.options import run_options, without_effect
from netdef.cli.shell import Command
from netdef.cli.show_options import POSITIONS, SLIDE, Options, listed
from netdef.language.diagnostics import NetdefError
from netdef.language.writing import write_over

if TYPE_CHECKING:
    import numpy as np

    from netdef.graph.layer import Layer
    from netdef.graph.net import Net
    from runtime.pictures.filters import Filters

PAGES, PICTURES = (".html", ".htm"), (".png",)


@click.command(cls=Command)
@click.argument("net")
@click.argument("images", nargs=-1, metavar="[IMAGE...]")
@image_options(labels="The classes' names, one a line.")
@click.option("--layer", "layers", multiple=True, metavar="NAME", help="Show this layer alone; may be repeated.")
@click.option("--among", multiple=True, metavar="IMAGE", help="Look for neighbours among these too: an image, or a folder of them.")
@click.option(
    "--occlusion",
    type=click.IntRange(min=0),
    default=POSITIONS,
    show_default=True,
    metavar="N",
    help="Cover each image at N x N positions to find what its class depends on; 0: not at all.",
)
@click.option("--out", "-o", default="show.html", show_default=True, metavar="FILE", help="A page (.html), or of one layer a .png.")
@run_options
def command(net: str, images: tuple[str, ...], **options: Any) -> None:
    """Draw the filters of NET, and what each layer makes of each IMAGE, as a page.

    Of each IMAGE, which may be a folder, the page shows the feature maps of all layers, the five most probable classes, the regions
    that the first of them depends on, and the nearest of the other images by the last hidden layer. A .png has the filters of one
    layer, or its feature maps of one IMAGE.
    """
    click.echo(show(net, images, Options(**options)))


def show(net_path: str, images: Sequence[str], options: Options) -> str:
    """Run `netdef show NET [IMAGE...]`; returns a line about what it wrote.

    Raises
    ------
    NetdefError: the weights do not fit, there is no such layer or it has no picture, an image cannot be read, or the file cannot be
        written.
    """
    as_page = check_form(options, images)
    if images:
        from netdef.cli.shown_images import page_of_images, picture_of_image

        return page_of_images(net_path, images, options) if as_page else picture_of_image(net_path, images[0], options)
    for note in without_effect(options.about_images(), "no IMAGE is given"):
        click.echo(note, err=True)
    return filters_alone(net_path, options, as_page)


def check_form(options: Options, images: Sequence[str]) -> bool:
    """Whether a page is to be written, else a picture.

    Raises
    ------
    NetdefError: the file ends in neither way, or a picture would be of several layers or images.
    """
    ending = Path(options.out).suffix.lower()
    if ending not in (*PAGES, *PICTURES):
        raise NetdefError(f"{options.out}: what a net shows is a .html or a .png")
    if not os.path.isdir(Path(options.out).absolute().parent):
        raise NetdefError(f"cannot write {options.out}", hint=f"there is no folder {Path(options.out).parent}")
    if ending in PAGES:
        return True
    if len(options.layers) != 1:
        named = ", ".join(options.layers) or "none is named"
        raise NetdefError(f"{options.out}: a .png is of one layer; {named}", hint="--layer conv1 names it; a .html has them all")
    if len(images) > 1 or any(map(os.path.isdir, images)):
        raise NetdefError(f"{options.out}: a .png is of one image", hint="a .html has several")
    return False


def filters_alone(net_path: str, options: Options, as_page: bool) -> str:
    """Write the filters; the net is not run."""
    from netdef.loading import open_net
    from runtime.images.pixels import images_of_training
    from runtime.images.trained_pixels import trained_pixels
    from runtime.machine.weights import load_weights
    from runtime.pictures.filters import draw_filters
    from runtime.solver.nets import load_net

    files = weights_for(net_path, options.weights)
    phase = open_net(net_path, options.overrides).phase_with_data()
    size = images_of_training(trained_pixels(files[-1])[0])
    net = load_net(net_path, phase or "test", options.overrides, assumed=size)
    arrays: dict[tuple[str, int], np.ndarray] = {}

    def keep(layer: str, index: int, array: np.ndarray) -> None:
        arrays[layer, index] = array

    load_weights(files, net, keep, options.allow_missing)
    layers = layers_shown(net, options.layers)
    lacking = [layer.name for layer in layers if weights_of(layer, arrays) is None]
    if lacking and options.layers:
        raise NetdefError(f"no weights for {', '.join(lacking)}", hint="--layer names another")
    filters = [draw_filters(net, layer, array) for layer in layers if (array := weights_of(layer, arrays)) is not None]
    if not as_page:
        return write_picture(options.out, filters[0])
    from runtime.pictures.show_page import render

    if not filters:
        hint = "--layer NAME shows those over many channels too; with an IMAGE there are feature maps"
        raise NetdefError(f"{net.filename} has no filters over colours, or over one channel", hint=hint)
    write_over(options.out, render(net, files, filters, []))
    return f"{options.out}: filters of {listed(filters)}"


def weights_of(layer: Layer, arrays: dict[tuple[str, int], np.ndarray]) -> np.ndarray | None:
    """A layer's first parameter among those that were read; one that it shares is its owner's."""
    if not layer.parameters:
        return None
    owner = layer.parameters[0].owner
    own = arrays.get((layer.name, 0))
    return own if own is not None else arrays.get((owner.layer.name, owner.index))


def layers_shown(net: Net, names: Sequence[str]) -> list[Layer]:
    """The layers named, or all whose filters are pictures.

    Raises
    ------
    NetdefError: there is no such layer, or its weights are no pictures.
    """
    from runtime.pictures.filters import check_filters, layers_with_filters

    if not names:
        return layers_with_filters(net)
    layers = [net.layer(name) for name in dict.fromkeys(names)]
    for layer in layers:
        check_filters(net, layer)
    return layers


def write_picture(path: str, filters: Filters) -> str:
    """Write filters as a .png; returns a line about it."""
    from runtime.data.thumbnails import png

    sheet = filters.mosaic.enlarged(filters.mosaic.factor_for(SLIDE))
    write_over(path, png(sheet))
    return f"{path}: {filters.layer.name}, {filters.text}; {sheet.width} x {sheet.height} pixels"
