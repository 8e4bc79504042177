"""The largest values."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from tests.runtime.kernels.cuda.cases.case import Case, Spec, normal, out, ties


def largest_cases() -> Iterator[Case]:
    """(outer, C, inner), as many as there are, ties and NaN among them."""
    for shape, k in (((1, 5, 1), 1), ((1, 10, 128), 5), ((4, 3, 2), 3), ((2, 21, 130), 2), ((1, 600, 20), 7), ((3, 1, 8), 1)):
        some = Spec(shape, lambda random, shape: np.where(random.random(shape) < 0.01, np.nan, ties(*shape).draw(random, shape)))
        for values, draw in product((False, True), (normal(*shape), some)):
            yield Case("largest", (draw, out(shape[0], k, shape[2])), {"values": values}, close=0)
