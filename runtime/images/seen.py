"""The image that a net sees: what its input holds, as pixels again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from runtime.data.settings import mean_image_size, mean_of

if TYPE_CHECKING:
    from netdef.layers.data import ImageData


def seen(values: NDArray[np.float32], layer: ImageData) -> Image.Image:
    """Values of a layer's top for one image in the test phase, (C, H, W), with its mean and its scale taken back."""
    mean = mean_of(layer)
    if mean_image_size(layer) is None:
        mean = mean[:, :1, :1]
    else:
        top, left = ((whole - own) // 2 for whole, own in zip(mean.shape[1:], values.shape[1:], strict=True))
        mean = mean[:, top : top + values.shape[1], left : left + values.shape[2]]
    pixels = values / (layer.message.transform_param.scale or 1) + mean
    rounded = np.rint(pixels).clip(0, 255).astype(np.uint8)
    if len(rounded) == 1:
        return Image.fromarray(rounded[0])
    return Image.fromarray(np.ascontiguousarray(rounded[::-1].transpose(1, 2, 0)))
