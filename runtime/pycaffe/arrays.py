"""Arrays that a script holds of values that live elsewhere: when they are read from there, and when written back.

A `Copy` is one float32 array in Caffe's shape, the same object as long as the shape is.  Its rule:

- The first look after a run reads the values.  An array that the script still holds then is brought up to date after each run.
- What the script writes counts from the next run that reads the values.  Before that run, each array that the script has looked at
  since the last one, or still holds, is compared with the values, bit by bit, and written where it differs.

So nothing is copied for what a script does not look at.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np

Shape = tuple[int, ...]
Read = Callable[[int], np.ndarray]  # the values of a version
Write = Callable[[int, np.ndarray], None]  # overwrites them


def zeros(shape: Shape) -> np.ndarray:
    """Float32 zeros; 0-d for ()."""
    return np.zeros(shape, np.float32)


class Copy:
    """An array of a script, and which version of its values is the present one.

    Parameters
    ----------
    shape: of the values.
    read, write: copy a version's values from and to where they live.
    first: what every element is until a run makes another value.

    Attributes
    ----------
    version: that the last run has made; None: the array itself has the values, or `first` where there is none.
    """

    def __init__(self, shape: Shape, read: Read, write: Write, first: float = 0.0):
        self.shape, self._read, self._write, self._first = shape, read, write, first
        self.version: int | None = None
        self._array: np.ndarray | None = None
        self._is_fresh = True  # the array, if there is one, has the values
        self._is_touched = False  # the script may have written

    def get(self) -> np.ndarray:
        """The array, with the present values, for a script to read and write."""
        self._is_touched = True
        return self._present()

    def peek(self) -> np.ndarray:
        """The present values, not for the script."""
        return self._present() if self.version is None else self._read(self.version)

    def _present(self) -> np.ndarray:
        if self._array is None:
            self._array = zeros(self.shape)
            if self._first:
                self._array[...] = self._first
            self._is_fresh = self.version is None
        if not self._is_fresh and self.version is not None:
            np.copyto(self._array, self._read(self.version))
        self._is_fresh = True
        return self._array

    @property
    def is_held(self) -> bool:
        """Whether the script has the array, or a view of it."""
        return self._array is not None and _count(self) > _ALONE

    def needs_writing(self, version: int) -> bool:
        """Whether a version, which is to be read by a run, has other values than the present ones."""
        if self.version != version:
            return True
        if self._array is None or not self._is_fresh or not (self._is_touched or self.is_held):
            return False
        differs = not _same_bits(self._array, self._read(version))
        self._is_touched = False
        return differs

    def values_to_write(self) -> np.ndarray:
        """The present values, as they are to be written."""
        return self._present()

    def write(self, version: int, values: np.ndarray) -> None:
        """Give a version, from now on the present one, values of `values_to_write`."""
        self._write(version, values)
        self.version, self._is_touched = version, False

    def stale(self) -> None:
        """Other values were written where these live, by the name of another array."""
        self._is_fresh, self._is_touched = False, False
        if self.is_held:
            self._present()

    def made(self, version: int) -> None:
        """A run has made a version: the present one from now on."""
        self.version, self._is_fresh, self._is_touched = version, False, False
        if self.is_held:
            self._present()

    def take_out(self) -> None:
        """Let the array have the values, as where they live is given up."""
        if self.version is not None:
            self._present()
            self.version = None

    def drop(self, shape: Shape) -> None:
        """Give up the values, or where the shape stays let the array have what it had."""
        if shape != self.shape or not (self._is_fresh or self.is_held):
            self._array, self.shape = None, shape
        self.version, self._is_fresh = None, True


def _same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.array_equal(np.ascontiguousarray(a).view(np.uint32), np.ascontiguousarray(b).view(np.uint32)))


def _count(copy: Copy) -> int:
    """References to a copy's array, as this function sees them."""
    return sys.getrefcount(copy._array)


def _alone() -> int:
    copy = Copy((1,), lambda version: zeros((1,)), lambda version, values: None)
    copy._present()
    return _count(copy)


_ALONE = _alone()  # references to an array that no script has; what the interpreter adds is its own matter
