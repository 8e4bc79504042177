"""Boxes: the elements of an array that lie at equal distances along a few axes, as Crop, Tile and Permute read and write them."""

from __future__ import annotations

from itertools import accumulate
from math import prod
from operator import mul
from typing import NamedTuple

from netdef.language.diagnostics import NetdefError

AXES = 5  # that kernels count; axes that follow each other without a gap count as one
Sizes = tuple[int, ...]


class Box(NamedTuple):
    """Which element of x goes to which of y: AXES extents, and how many elements apart neighbours lie in each."""

    extents: Sizes
    x_strides: Sizes
    y_strides: Sizes
    x_offset: int = 0
    y_offset: int = 0

    def moved(self, x_item: int, y_item: int) -> int:
        """Bytes read and written, of elements of so many bytes; along an axis without a stride they are the same ones again."""
        axes = list(zip(self.extents, self.x_strides, self.y_strides, strict=True))
        read, written = prod(extent if x else 1 for extent, x, _ in axes), prod(extent if y else 1 for extent, _, y in axes)
        return x_item * read + y_item * written

    @property
    def reversed(self) -> Box:
        """From y back to x."""
        return Box(self.extents, self.y_strides, self.x_strides, self.y_offset, self.x_offset)


def strides_of(shape: Sizes) -> Sizes:
    """How many elements apart neighbours lie along each axis of a whole array."""
    return tuple(accumulate(reversed((*shape[1:], 1)), mul))[::-1] if shape else ()


def box(extents: Sizes, x_strides: Sizes, y_strides: Sizes, x_offset: int = 0, y_offset: int = 0) -> Box:
    """A box with axes merged where neither array has a gap between them.

    Raises
    ------
    NetdefError: more than AXES are left.
    """
    axes: list[tuple[int, int, int]] = []
    for extent, x, y in zip(extents, x_strides, y_strides, strict=True):
        if extent == 1:
            continue
        if axes and (axes[-1][1], axes[-1][2]) == (x * extent, y * extent):
            axes[-1] = (axes[-1][0] * extent, x, y)
        else:
            axes.append((extent, x, y))
    if len(axes) > AXES:
        raise NetdefError(f"kernels exist for elements spread along {AXES} axes, not along {len(axes)}")
    rows = [(1, 0, 0)] * (AXES - len(axes)) + axes
    return Box(*(tuple(column) for column in zip(*rows, strict=True)), x_offset, y_offset)  # type: ignore[arg-type, call-arg]
