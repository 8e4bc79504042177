"""A source's images -> a net's input: crop, mirror, (pixel - mean) * scale, NHWC bytes or floats -> CHWN floats."""

from math import prod
from typing import Any

import numpy as np

from runtime.kernels.cpu.jit import inner, jit
from runtime.kernels.cpu.registry import kernel
from runtime.kernels.operand import Operand

GROUP = 32  # images turned at a time: their rows stay in the first-level cache whatever the batch size


def crops(images: Operand, *others: Operand) -> int:
    """Bytes of the images' crops, of the mean of a whole image, and of the other arrays, the last of which is the top."""
    pixel = images.bytes // images.size
    return others[-1].size * pixel + 4 * prod(images.shape[1:]) + sum(operand.bytes for operand in others)


@kernel(
    items=lambda images, offsets, mirrors, top, mean, scale: top.shape[1],
    scratch=lambda images, offsets, mirrors, top, *_: top.shape[2] * GROUP,
    flops=lambda images, offsets, mirrors, top, *_: 2 * top.size,
    moved=lambda images, *others: crops(images, *others[:-2]),
)
@jit
def image_transform(
    begin: int, end: int, images: Any, offsets: Any, mirrors: Any, top: Any, scratch: Any, mean: Any, scale: np.float32
) -> None:
    """top (C, H, W, N) from images uint8 or float32 (N, h, w, C); a row of the top is an item.

    Parameters
    ----------
    offsets: int32 (N, 2), top and left of each crop.
    mirrors: uint8 (N,), 1 flips the cropped image left to right.
    mean: float32 (C, h, w), taken where the crop is, before the flip, as Caffe does.
    """
    transform(begin, end, images, offsets, mirrors, None, top, mean, scale, scratch)


@kernel(
    items=lambda images, offsets, mirrors, shifts, top, mean, scale: top.shape[1],
    scratch=lambda images, offsets, mirrors, shifts, top, *_: top.shape[2] * GROUP,
    flops=lambda images, offsets, mirrors, shifts, top, *_: 3 * top.size,
    moved=lambda images, *others: crops(images, *others[:-2]),
)
@jit
def image_transform_shifted(
    begin: int, end: int, images: Any, offsets: Any, mirrors: Any, shifts: Any, top: Any, scratch: Any, mean: Any, scale: np.float32
) -> None:
    """The same with each channel's pixels shifted by the image's own shifts, float32 (N, C): (pixel - mean + shift) * scale."""
    transform(begin, end, images, offsets, mirrors, shifts, top, mean, scale, scratch)


@inner
def transform(
    begin: int, end: int, images: Any, offsets: Any, mirrors: Any, shifts: Any, top: Any, mean: Any, scale: np.float32, scratch: Any
) -> None:
    """Both of them; `shifts` may be None."""
    channels, _, width, count = top.shape
    turned = scratch[: width * GROUP].reshape(width, GROUP)
    for y in range(begin, end):
        for first in range(0, count, GROUP):
            last = min(first + GROUP, count)
            for c in range(channels):
                for n in range(first, last):
                    row, left = offsets[n, 0] + y, offsets[n, 1]
                    pixels = images[n, row, left : left + width, c]
                    means = mean[c, row, left : left + width]
                    shift = np.float32(0) if shifts is None else shifts[n, c]
                    column = turned[:, n - first]
                    if mirrors[n]:
                        for x in range(width):
                            column[width - 1 - x] = (np.float32(pixels[x]) - means[x] + shift) * scale
                    else:
                        for x in range(width):
                            column[x] = (np.float32(pixels[x]) - means[x] + shift) * scale
                for x in range(width):
                    out, values = top[c, y, x, first:last], turned[x]
                    for i in range(last - first):
                        out[i] = values[i]
