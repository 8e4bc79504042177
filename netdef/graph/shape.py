"""Shapes of blobs and parameters, in Caffe's order: N, C, H, W for images; () for a scalar."""

from __future__ import annotations

from math import prod

BYTES_PER_ELEMENT = 4  # float32 throughout

Shape = tuple[int, ...]
UNKNOWN: Shape = (-1,)  # of a blob whose layer is of an unknown type or has errors, and of what is made of it


def shape_text(shape: Shape) -> str:
    """A shape as messages print it: 64 x 96 x 55 x 55; ? where it is not known."""
    if shape == UNKNOWN:
        return "?"
    return " x ".join(map(str, shape)) or "scalar"


def images(shape: Shape) -> int:
    """How many images a blob holds: its first dimension, 1 for a scalar."""
    return shape[0] if shape else 1


def per_image(shape: Shape) -> int:
    """Elements of one image."""
    return prod(shape[1:])
