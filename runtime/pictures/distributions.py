"""How the values of each layer's arrays are distributed, and its filters, for the page of `netdef draw --weights`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from netdef.draw.words import called
from netdef.graph.shape import shape_text
from runtime.data.thumbnails import data_uri
from runtime.machine.weights import KEPT, load_weights, remark
from runtime.pictures.filters import draw_filters, filter_shape, layers_with_filters

if TYPE_CHECKING:
    from netdef.graph.net import Net

RANGES = 48  # bars of a histogram


def trained_layers(net: Net, files: Sequence[str]) -> dict[str, dict[str, Any]]:
    """For each layer that files have weights of, what `netdef.draw.draw` shows of them.

    Raises
    ------
    NetdefError: a file cannot be read, has none for the net or of other shapes, or weights are not finite.
    """
    arrays: dict[tuple[str, int], NDArray[np.float32]] = {}

    def keep(layer: str, index: int, array: NDArray[np.float32]) -> None:
        arrays[layer, index] = array

    load_weights(list(files), net, keep, allow_missing=True, say=say_shown)
    pictures = set(layers_with_filters(net))
    found: dict[str, dict[str, Any]] = {}
    for layer in net.layers:
        known = [(index, arrays[layer.name, index]) for index in range(len(layer.parameters)) if (layer.name, index) in arrays]
        if not known:
            continue
        about: dict[str, Any] = {"histograms": [histogram(array, called(layer, index)) for index, array in known]}
        if layer in pictures and known[0][0] == 0 and filter_shape(layer):
            filters = draw_filters(net, layer, known[0][1])
            about["filters"] = {"source": data_uri(filters.mosaic.image), "text": filters.text}
        found[layer.name] = about
    return found


def say_shown(line: str) -> None:
    """A note about weights: no filler runs here."""
    remark(line.replace(KEPT, "their values are not drawn"))


def histogram(array: NDArray[np.float32], name: str) -> dict[str, Any]:
    """How often finite values of RANGES equal ranges occur, from the smallest to the largest."""
    values = array.astype(np.float64)
    text = f"{name} {shape_text(array.shape)}"
    counts, _ = np.histogram(values, RANGES)
    text += f": mean {values.mean():.3g}, standard deviation {values.std():.3g}"
    return {"counts": counts.tolist(), "low": f"{values.min():.4g}", "high": f"{values.max():.4g}", "text": text}
