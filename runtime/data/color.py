"""Shifts of an image's colours along the principal components of the training set's pixels (Krizhevsky et al. 2012, 4.1).

The shift:

    every pixel += sum over i of eigenvector[i] * eigenvalue[i] * a[i],   a[i] ~ N(0, color_shift), drawn once for an image's use
"""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, log, pi, sin, sqrt
from typing import Any

from runtime.data.draws import COLOR, Draws

Color = tuple[float, float, float]  # blue, green, red

# ImageNet's, as published with MXNet for pixels from 0 to 255 (python/mxnet/image/image.py) and with fb.resnet.torch for those from
# 0 to 1 (datasets/imagenet.lua); there red comes first.
IMAGENET_VALUES = (55.46, 4.794, 1.148)
IMAGENET_VECTORS: tuple[Color, ...] = ((-0.5836, -0.5808, -0.5675), (-0.6948, -0.0045, 0.7192), (0.4203, -0.8140, 0.4009))
NONE: Color = (0.0, 0.0, 0.0)


def components_of(transform: Any) -> tuple[Color, ...]:
    """Each principal component as long as one standard deviation of its shift, of a TransformationParameter."""
    values = transform.color_eigenvalue or IMAGENET_VALUES
    vectors: Sequence[Sequence[float]] = IMAGENET_VECTORS
    if transform.color_eigenvector:
        flat = transform.color_eigenvector
        vectors = [flat[i : i + 3] for i in (0, 3, 6)]
    lengths = [transform.color_shift * value for value in values]
    return tuple((n * b, n * g, n * r) for n, (b, g, r) in zip(lengths, vectors, strict=True))


def color_shift(components: Sequence[Color], draws: Draws, position: int) -> Color:
    """What the sample at a position gains in each channel; nothing without components."""
    if not components:
        return NONE
    words = draws.words(COLOR, position)
    amounts = (*normal_pair(*words[:2]), *normal_pair(*words[2:]))
    blue, green, red = (sum(a * component[c] for a, component in zip(amounts, components, strict=False)) for c in range(3))
    return blue, green, red


def normal_pair(first: int, second: int) -> tuple[float, float]:
    """Two independent standard normal numbers from two random words of 32 bits (Box & Muller 1958)."""
    radius, angle = sqrt(-2 * log((first + 1) / 2**32)), 2 * pi * second / 2**32
    return radius * cos(angle), radius * sin(angle)
