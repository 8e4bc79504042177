"""Labels as indices of classes."""

from __future__ import annotations

import numpy as np

from netdef.language.diagnostics import NetdefError
from runtime.kernels.cpu.jit import jit


@jit
def class_of(label, classes):
    """A label as an index, checked so that nothing outside is read or written.

    Raises
    ------
    NetdefError: there is no such class.
    """
    if not (label >= 0 and label < classes):
        raise NetdefError("a label lies outside the classes: it is negative, no number, or as large as the number of scores")
    return np.int64(label)
