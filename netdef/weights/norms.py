"""How large a layer's arrays are, and how far those of another file are from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf, isfinite, sqrt

import numpy as np

_PIECE = 1 << 20  # numbers that are squared in double precision at a time


@dataclass(frozen=True)
class Norms:
    """One array of a layer, by its number in the layer.

    Attributes
    ----------
    before, after: the root of the sum of squares in the first and the second file; None where that has no such array.
    change: the norm of the difference over that of `before`; inf where that is 0, None where there is one file.
    """

    layer: str
    index: int
    size: int
    before: float | None
    after: float | None
    change: float | None = None

    @property
    def finite(self) -> bool:
        """Whether neither file has NaN or infinity in the array."""
        return isfinite(self.before or 0.0) and isfinite(self.after or 0.0)

    @property
    def rms(self) -> float:
        """The root of the mean square in the later file that has it."""
        norm = self.after if self.after is not None else self.before
        return (norm or 0.0) / sqrt(self.size) if self.size else 0.0


def norms(layer: str, before: Sequence[np.ndarray | None], after: Sequence[np.ndarray | None]) -> Iterator[Norms]:
    """Of a layer's arrays in two files; either may lack some, and an empty list stands for a file that is not there."""
    for index in range(max(len(before), len(after))):
        a, b = (side[index] if index < len(side) else None for side in (before, after))
        if a is None and b is None:
            continue
        one, other = (None if array is None else norm(array) for array in (a, b))
        size = next(array.size for array in (b, a) if array is not None)
        yield Norms(layer, index, size, one, other, None if a is None or b is None else _change(a, b, one or 0.0))


def norm(array: np.ndarray) -> float:
    """The root of the sum of squares, in double precision."""
    flat = array.reshape(-1)
    return sqrt(sum(_square(flat[at : at + _PIECE].astype(np.float64)) for at in range(0, flat.size, _PIECE)))


def _change(before: np.ndarray, after: np.ndarray, size: float) -> float:
    a, b = before.reshape(-1), after.reshape(-1)
    pieces = (slice(at, at + _PIECE) for at in range(0, a.size, _PIECE))
    with np.errstate(invalid="ignore"):  # infinity less infinity; the norms say that it is there
        apart = sqrt(sum(_square(b[piece].astype(np.float64) - a[piece]) for piece in pieces))
    return apart / size if size else inf if apart else 0.0


def _square(values: np.ndarray) -> float:
    return float(np.dot(values, values))
