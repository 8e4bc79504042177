"""How a run brings images to its net, for the side file: a deploy net, fed by an Input layer, does not say it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from netdef.layers.data import Samples, located

if TYPE_CHECKING:
    from netdef.graph.net import Net

FORM = {  # of its entry in the side file
    "mean_value": [(int, float)],
    "mean_file": str,
    "scale": (int, float),
    "crop_size": int,
    "crop_h": int,
    "crop_w": int,
    "new_height": int,
    "new_width": int,
    "channels": int,
}


LATER = {"crop_h": 0, "crop_w": 0}  # what earlier runs did not write


def pixels_of(net: Net) -> dict[str, Any] | None:
    """The size, mean and scale of the images of a net's only source of images, by the names of Caffe's fields; else None."""
    sources = [layer for layer in net.layers if isinstance(layer, Samples)]
    if len(sources) != 1:
        return None
    (layer,) = sources
    transform = layer.message.transform_param
    mean = transform.mean_file and str(located(layer, transform.mean_file))
    height, width = getattr(layer.p, "new_height", 0), getattr(layer.p, "new_width", 0)
    if not (height or width):
        height, width = layer.image_size() or (0, 0)  # as a database has them
    return {
        "mean_value": list(transform.mean_value),
        "mean_file": mean and os.path.abspath(mean),
        "scale": transform.scale,
        "crop_size": layer.crop_size,
        "crop_h": transform.crop_h,
        "crop_w": transform.crop_w,
        "new_height": height,
        "new_width": width,
        "channels": layer.channels,
    }
