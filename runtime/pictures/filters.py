"""The weights of a layer as pictures: filters over colours in colour, others as a gray picture for each channel they read."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from netdef.draw.stages import MOST_TOWERS
from netdef.graph.shape import shape_text
from netdef.graph.towers import towers
from netdef.language.diagnostics import NetdefError
from netdef.language.units import plural, shortened
from netdef.layers.convolution import Deconvolution
from runtime.pictures.mosaic import Mosaic, mosaic

if TYPE_CHECKING:
    from netdef.graph.layer import Blob, Layer
    from netdef.graph.net import Net

COLOURS = 3
MOST = 1 << 24  # pixels of a picture
NAMED = 8  # layers in a message


@dataclass(frozen=True)
class Filters:
    """A picture of a layer's filters.

    Attributes
    ----------
    mosaic: a pixel for each weight; gray is 0, and all filters have one scale, up to `largest`.
    text: how many there are, and of which shape.
    """

    layer: Layer
    mosaic: Mosaic
    largest: float
    text: str


def layers_with_filters(net: Net) -> list[Layer]:
    """The layers whose filters are pictures of their own: of more than a pixel, over one channel or colours, and not too many."""
    return [layer for layer in net.layers if (shape := filter_shape(layer)) and shape[1] in (1, COLOURS) and prod(shape) <= MOST]


def filter_shape(layer: Layer) -> tuple[int, int, int, int] | None:
    """(filters, channels, rows, columns) of a layer's first parameter; None where that is no picture."""
    if not layer.parameters or layer.kind not in ("convolution", "connected"):
        return None
    shape, bottom = layer.parameters[0].shape, layer.bottoms[0].shape
    if getattr(layer, "transpose", False):
        return None
    if layer.kind == "connected" and len(bottom) == 4 and bottom[1] in (1, COLOURS) and shape[1:] == (prod(bottom[1:]),):
        shape = (shape[0], *bottom[1:])  # it reads an image: its weights are as many images
    return shape if len(shape) == 4 and shape[2] * shape[3] > 1 else None


def check_filters(net: Net, layer: Layer) -> tuple[int, int, int, int]:
    """The shape of a layer's filters.

    Raises
    ------
    NetdefError: they are no pictures, or too many.
    """
    shape = filter_shape(layer)
    if shape is None:
        others = [other.name for other in net.layers if filter_shape(other)]
        known = f"layers with filters: {shortened(others, NAMED)}" if others else "no layer of this net has filters"
        own = shape_text(layer.parameters[0].shape) if layer.parameters else "none"
        raise NetdefError(f"the weights of {layer.name} are no pictures: {own}", hint=known)
    if prod(shape) > MOST:
        raise NetdefError(f"the {plural(shape[0], 'filter')} of {layer.name} are more than a picture holds: {shape_text(shape)}")
    return shape


def draw_filters(net: Net, layer: Layer, weights: NDArray[np.float32]) -> Filters:
    """The filters of a layer.

    Parameters
    ----------
    weights: its first parameter, as Caffe has it.

    Raises
    ------
    NetdefError: see `check_filters`; or they are not finite.
    """
    shape = check_filters(net, layer)
    if not np.isfinite(weights).all():
        raise NetdefError(f"the weights of {layer.name} are not finite", hint="an earlier snapshot may have better ones")
    filters = weights.reshape(shape)
    largest = float(np.abs(filters).max(initial=0))
    pixels = np.rint(127.5 * (1 + filters / (largest or 1))).astype(np.uint8)
    count, channels, rows, columns = shape
    text = f"{plural(count, 'filter')} of {channels} x {rows} x {columns}"
    slices = pixels.reshape(count * channels, rows, columns)
    if isinstance(layer, Deconvolution):
        text += ": a row for each channel it reads, a column for each it makes"
        return Filters(layer, mosaic(slices, 1, channels), largest, text)
    tops = drawn_towers(net, layer.tops[0])
    if channels == COLOURS and reads_colours(layer.bottoms[0]):
        return Filters(layer, mosaic(pixels[:, ::-1].transpose(0, 2, 3, 1), tops), largest, text)
    if channels == 1:
        return Filters(layer, mosaic(pixels[:, 0], tops), largest, text)
    return Filters(layer, mosaic(slices, tops, channels), largest, f"{text}: a row for each, a column for each channel it reads")


def drawn_towers(net: Net, blob: Blob) -> int:
    """In how many towers a blob is drawn; many groups, as in ResNeXt, are none."""
    count = towers(net).get(blob, 1)
    return count if count <= MOST_TOWERS else 1


def reads_colours(blob: Blob) -> bool:
    """Whether a blob's three channels are blue, green and red: it is data, or made of data channel by channel."""
    while not blob.producer.is_source:
        if blob.producer.channel_groups is not None or len(blob.producer.bottoms) != 1:
            return False
        blob = blob.producer.bottoms[0]
    return True
