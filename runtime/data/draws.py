"""Random numbers for data: a pure function of seed, layer, position in the stream and purpose."""

from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from runtime.kernels.cpu.philox import philox, philox_arrays

# What a draw is for: the fourth word of the counter, so that no two purposes share a number.
SHUFFLE, SKIP, AUGMENT, WINDOW, COLOR, REGION, SIZE = (np.uint64(0xDA7A00 + i) for i in range(7))

_LOW = 0xFFFFFFFF


class Draws:
    """The random numbers of one data layer.

    Parameters
    ----------
    seed: the run's random seed.
    name: the layer's name.
    """

    def __init__(self, seed: int, name: str):
        self._key = np.uint64(seed & _LOW), np.uint64(crc32(name.encode()))

    def words(self, purpose: np.uint64, position: int, attempt: int = 0) -> tuple[int, int, int, int]:
        """Four words of 32 bits for a position."""
        low, high = np.uint64(position & _LOW), np.uint64(position >> 32)
        words: tuple[int, int, int, int] = philox(low, high, np.uint64(attempt), purpose, *self._key)
        return words

    def permutation(self, epoch: int, size: int) -> NDArray[np.int64]:
        """The order in which an epoch goes through `size` samples."""
        index = np.arange(size, dtype=np.uint64)
        counter = index, np.zeros_like(index), np.full_like(index, epoch), np.full_like(index, SHUFFLE)
        high, low, _, _ = philox_arrays(*counter, *self._key)
        return np.argsort(high << np.uint64(32) | low, kind="stable")


def below(word: int, bound: int) -> int:
    """A 32-bit word as an integer in [0, bound)."""
    return word * bound >> 32


def between(word: int, low: float, high: float) -> float:
    """A 32-bit word as a float in [low, high)."""
    return low + (high - low) * (word / 2**32)
