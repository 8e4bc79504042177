"""The blobs that a Python layer sees: pycaffe's interface on NumPy arrays in Caffe's shapes."""

from __future__ import annotations

from math import prod
from operator import index
from typing import Any

import numpy as np

from netdef.graph.build import MOST_AXES
from netdef.graph.shape import Shape

LEGACY_AXES = 4  # num, channels, height, width


class Shaped:
    """What pycaffe's blobs say of their shape."""

    @property
    def shape(self) -> Shape:
        raise NotImplementedError

    @property
    def count(self) -> int:
        return prod(self.shape)

    @property
    def num(self) -> int:
        return self._extent(0)

    @property
    def channels(self) -> int:
        return self._extent(1)

    @property
    def height(self) -> int:
        return self._extent(2)

    @property
    def width(self) -> int:
        return self._extent(3)

    def _extent(self, axis: int) -> int:
        """An extent of the shape with ones behind it, as Caffe's LegacyShape has it."""
        if len(self.shape) > LEGACY_AXES:
            raise AttributeError(f"a blob of shape {self.shape} has more axes than num, channels, height and width")
        return (*self.shape, 1, 1, 1, 1)[axis]


class UserBlob(Shaped):
    """A blob as pycaffe shows it: float32 arrays `data` and `diff`, (N, C, H, W) for images; zeros until somebody writes.

    Arrays are written in place, `blob.data[...] = values`.  `reshape` gives new ones where the shape is another.
    """

    def __init__(self, shape: Shape | None = None):
        """`shape`: None until `reshape` is called."""
        self._shape = shape
        self._data = np.zeros(shape or 0, np.float32) if shape != () else np.zeros((), np.float32)
        self._diff: np.ndarray | None = None

    @property
    def is_shaped(self) -> bool:
        """Whether it has been given a shape."""
        return self._shape is not None

    @property
    def shape(self) -> Shape:
        return self._shape if self._shape is not None else (0,)

    @property
    def data(self) -> np.ndarray:
        return self._data

    @data.setter
    def data(self, _: Any) -> None:
        raise AttributeError("data cannot be replaced: write into it, data[...] = values")

    @property
    def diff(self) -> np.ndarray:
        if self._diff is None:  # many layers never ask
            self._diff = np.zeros_like(self._data)
        return self._diff

    @diff.setter
    def diff(self, _: Any) -> None:
        raise AttributeError("diff cannot be replaced: write into it, diff[...] = values")

    def reshape(self, *shape: int) -> None:
        """Give it a shape.

        Raises
        ------
        ValueError: an extent is no natural number, or there are too many.
        TypeError: an extent is no integer.
        """
        extents = tuple(map(index, shape))
        if any(extent < 0 for extent in extents) or len(extents) > MOST_AXES:
            raise ValueError(f"a blob cannot have shape {extents}")
        if extents != self._shape:
            self._shape, self._data, self._diff = extents, np.zeros(extents, np.float32), None


class UserBlobs(list[UserBlob]):
    """A layer's own parameters, `self.blobs`."""

    def add_blob(self, *shape: int) -> None:
        """Append a parameter of this shape, zeros."""
        self.append(UserBlob())
        self[-1].reshape(*shape)
