"""exp as plain arithmetic, so that loops over it become vectors (the C library's would be called once a number)."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from runtime.kernels.cpu.jit import inner

PER_OCTAVE = np.float32(1 / math.log(2))
LN2_HIGH = np.float32(0.693359375)  # its few bits make the product with an octave exact
LN2_LOW = np.float32(math.log(2) - 0.693359375)
LARGEST, SMALLEST = np.float32(88.0), np.float32(-87.0)  # beyond these e^x is no normal float32: e^x stays at its value there
ONE = np.float32(1)
TAYLOR = tuple(np.float32(1 / math.factorial(n)) for n in range(2, 8))


@partial(inner, fast_math={"nsz", "contract"})  # reassociating would join the two parts of ln 2 again
def in_octave(x):
    """(e^r, octave) of a float32 x = octave * ln 2 + r with |r| <= ln(2) / 2; e^r by its Taylor polynomial of degree 7."""
    octave = np.floor(x * PER_OCTAVE + np.float32(0.5))
    r = x - octave * LN2_HIGH - octave * LN2_LOW
    c2, c3, c4, c5, c6, c7 = TAYLOR
    power = ONE + r * (ONE + r * (c2 + r * (c3 + r * (c4 + r * (c5 + r * (c6 + r * c7))))))
    return power, np.int32(octave)


@partial(inner, fast_math={"nsz", "contract"})
def exponential(x):
    """e^x of a float32, within 2 units in the last place; NaN for NaN.  2^octave is made by writing the exponent's bits."""
    x = LARGEST if x > LARGEST else x
    x = SMALLEST if x < SMALLEST else x
    power, octave = in_octave(x)
    bits = np.int32((octave + np.int32(127)) << np.int32(23))
    return power * bits.view(np.float32)
