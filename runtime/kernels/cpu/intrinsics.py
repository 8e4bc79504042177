"""What formulas may call, for the CPU: float32 as plain arithmetic, so that loops over it become vectors."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from runtime.kernels.cpu.exponential import ONE, exponential, in_octave
from runtime.kernels.cpu.jit import inner

TWO = np.float32(2)
HIGHEST, LOWEST = np.float32(89), np.float32(-104)  # where e^x is infinite and 0
SMALL = np.float32(0.25)  # below, 1 - 2 / (e^2x + 1) would lose digits, and four terms of the series are exact
SERIES = np.float32(-1 / 3), np.float32(2 / 15), np.float32(-17 / 315), np.float32(62 / 2835)


@partial(inner, fast_math={"nsz", "contract"})
def exp(x):
    """e^x within 2 units in the last place: `exponential`, but infinite above 88.7, and going on below -87 down to 0."""
    x = HIGHEST if x > HIGHEST else x
    x = LOWEST if x < LOWEST else x
    power, whole = in_octave(x)
    half = np.int32(whole >> np.int32(1))  # 2^octave in two factors, as one of them may be no float32
    low = np.int32((half + np.int32(127)) << np.int32(23))
    high = np.int32((whole - half + np.int32(127)) << np.int32(23))
    return power * low.view(np.float32) * high.view(np.float32)


@inner
def tanh(x):
    """The hyperbolic tangent within 3 units in the last place."""
    c3, c5, c7, c9 = SERIES
    square = x * x
    series = x + x * square * (c3 + square * (c5 + square * (c7 + square * c9)))
    closed = ONE - TWO / (exponential(x + x) + ONE)
    return series if abs(x) < SMALL else closed


@inner
def smaller(a, b):
    """Python's min: a unless b is less, so that of a NaN the first is taken."""
    return b if b < a else a


@inner
def larger(a, b):
    """Python's max: a unless b is more."""
    return b if b > a else a


# What printed kernels call by these names.
SCOPE = {
    "abs": abs, "exp": exp, "larger": larger, "log": math.log, "log1p": math.log1p, "np": np, "smaller": smaller, "sqrt": math.sqrt,
    "tanh": tanh,
}  # fmt: skip
