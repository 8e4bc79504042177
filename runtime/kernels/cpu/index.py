"""Numbers of blobs as indices: of classes, of a table's rows, of images."""

from __future__ import annotations

import numpy as np

from runtime.kernels.cpu.jit import inner
from runtime.kernels.wrong_number import WrongNumberError


@inner
def index_of(number, count):
    """A float as an index below `count`, checked so that nothing outside is read or written.

    Raises
    ------
    WrongNumberError: it is no such index.
    """
    if not (number >= 0 and number < count):
        raise WrongNumberError("a number picks nothing: it is negative, no number, or not below how many there are to pick from")
    return np.int64(number)
