"""Regions of interest in an image's pixels: rows (image, x1, y1, x2, y2) of rois (5, R), one column each."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from netdef.language.diagnostics import NetdefError
from runtime.kernels.cpu.jit import jit

exact = partial(jit, fast_math=())  # borders of bins are Caffe's to the bit: nothing is reordered or contracted
FARTHEST = 1e6  # pixels: a region that reaches beyond is an error, not a region


@exact
def image_of(rois, r, images):
    """The image of a region; -1 of a row that is only padding, whose image is negative.

    Raises
    ------
    NetdefError: there is no such image, or the region's corners are not numbers.
    """
    image = rois[0, r]
    if not (image < images):
        raise NetdefError("a region of interest names an image that the batch lacks: rows are (image, x1, y1, x2, y2)")
    for corner in range(1, 5):
        if not (abs(rois[corner, r]) < FARTHEST):
            raise NetdefError("a corner of a region of interest is no number, or more than a million pixels away")
    return np.int64(-1) if image < 0 else np.int64(image)


@exact
def rounded(value):
    """The nearest whole number, halves away from zero, as C rounds."""
    whole = math.floor(abs(np.float64(value)) + 0.5)
    return np.int64(-whole if value < 0 else whole)


@exact
def pixels(low, high, bins, index, size):
    """The pixels [first, last) of a bin: `bins` equal ones divide a side of whole pixels, which goes from low to high."""
    length = np.float32(max(high - low + 1, 1)) / np.float32(bins)
    first = np.int64(math.floor(np.float32(index) * length)) + low
    last = np.int64(math.ceil(np.float32(index + 1) * length)) + low
    return min(max(first, 0), size), min(max(last, 0), size)


@exact
def span(low, high, scale, bins):
    """(start, length of a bin) of a side that is divided without rounding; a side is at least a tenth of a pixel long."""
    f = np.float32(scale)
    start, end = np.float32(rounded(low)) * f, np.float32(rounded(high) + 1) * f
    return start, max(end - start, np.float32(0.1)) / np.float32(bins)


@exact
def covered(start, length, index, size):
    """The pixels [first, last) that a bin of such a side touches."""
    low, high = np.float32(index) * length, np.float32(index + 1) * length
    first, last = np.int64(math.floor(low + start)), np.int64(math.ceil(high + start))
    return min(max(first, 0), size), min(max(last, 0), size)
