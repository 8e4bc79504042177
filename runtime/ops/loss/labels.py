"""Labels as indices of classes."""

from __future__ import annotations

import numpy as np

from runtime.kernels.cpu.jit import jit
from runtime.ops.loss.label_error import LabelError


@jit
def class_of(label, classes):
    """A label as an index, checked so that nothing outside is read or written.

    Raises
    ------
    LabelError: there is no such class.
    """
    if not (label >= 0 and label < classes):
        raise LabelError("a label lies outside the classes: it is negative, no number, or as large as the number of scores")
    return np.int64(label)
