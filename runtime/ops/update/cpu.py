"""CPU kernels of the solvers' updates, printed from their rows and compiled by numba, and of what comes before.  Flat arrays."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from runtime.ir.runs import ELEMENTS, element_runs
from runtime.kernels.cpu.intrinsics import SCOPE
from runtime.kernels.cpu.jit import BLOCK, blocks, jit
from runtime.kernels.cpu.printed import Printed
from runtime.kernels.cpu.registry import kernel
from runtime.ops.update import product as _product  # noqa: F401 - registers its kernels
from runtime.ops.update.printing import EXACT, flops, loops_text, moved, numbers_text
from runtime.ops.update.table import ROWS, Row

# One pass over weight, gradient and histories.
UPDATE = """\
def {name}(begin, end, {parameters}):
    rate = np.float32(rate[0] * np.float32(lr_mult))
    decay = np.float32(decay)
    {numbers}
    for item in range(begin, end):
        first, last = item * BLOCK, (item + 1) * BLOCK
        {tiles}
{loops}"""


def text(row: Row) -> str:
    """The source of a row's kernel."""
    tiles = "; ".join(f"{name}_tile = {name}[first:last]" for name in ("weight", "gradient", *row.states))
    return UPDATE.format(
        name=row.kernel, parameters=", ".join(row.parameters), numbers=numbers_text(row), tiles=tiles, loops=loops_text(row)
    )


for _row in ROWS.values():
    _printed = Printed(_row.function, _row.parameters, partial(text, _row), {**SCOPE, "BLOCK": BLOCK}, EXACT, __file__)
    _work = {"flops": partial(flops, _row), "moved": partial(moved, _row)}
    kernel(items=lambda weight, *_: blocks(weight.size), **_work)(_printed)


@kernel(items=lambda gradient, added, total: blocks(total.size), flops=1, moved=lambda gradient, added, total: 3 * total.bytes + 4)
@jit
def accumulate(begin, end, gradient, added, total):
    """total += gradient, or total = gradient where `added` (1,), how many it holds already, is 0."""
    first = added[0] == 0
    for item in range(begin, end):
        g = gradient[item * BLOCK : (item + 1) * BLOCK]
        t = total[item * BLOCK : (item + 1) * BLOCK]
        if first:
            for i in range(t.size):
                t[i] = g[i]
        else:
            for i in range(t.size):
                t[i] += g[i]


@kernel(items=lambda x, partials: element_runs(x.size), flops=2)
@jit
def sum_of_squares(begin, end, x, partials):
    """partials[b] (float64) = the sum of x ** 2 over run b."""
    for item in range(begin, end):
        source = x[item * ELEMENTS : (item + 1) * ELEMENTS]
        total = 0.0
        for i in range(source.size):
            v = np.float64(source[i])
            total += v * v
        partials[item] = total


@kernel(items=lambda squares, out, clip, scale: 1, flops=1)
@jit
def clip_scale(begin, end, squares, out, clip, scale):
    """out (1,) = scale, times clip / norm where norm = sqrt(sum of squares) is larger than clip (Caffe's clip_gradients)."""
    for _ in range(begin, end):
        total = 0.0
        for i in range(squares.size):
            total += squares[i]
        norm = math.sqrt(total)
        out[0] = scale * clip / norm if norm > clip else scale


@kernel(items=lambda weight_squares, gradient_squares, rate, scale, local_rate, eta, decay, clip: 1, flops=1)
@jit
def larc_rate(begin, end, weight_squares, gradient_squares, rate, scale, local_rate, eta, decay, clip):
    """local_rate (1,) = rate times, or with clip at most, eta * |w| / (|g| + decay * |w|); that is 1 where |w| or |g| is 0.

    You et al. 2017 (arXiv 1708.03888), equation 6.  |w| and |g| are the roots of the sums of the squares, |g| times scale.
    """
    for _ in range(begin, end):
        weights, gradients = 0.0, 0.0
        for i in range(weight_squares.size):
            weights += weight_squares[i]
        for i in range(gradient_squares.size):
            gradients += gradient_squares[i]
        w, g = math.sqrt(weights), math.sqrt(gradients) * np.float64(scale[0])
        own = eta * w / (g + decay * w) if w > 0 and g > 0 else 1.0
        solvers = np.float64(rate[0])
        local_rate[0] = min(solvers, own) if clip else solvers * own
