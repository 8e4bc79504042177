"""Launches of unpooling.cu."""

from __future__ import annotations

import numpy as np

from runtime.kernels.cuda.grids import THREADS, blocks, name, width
from runtime.kernels.cuda.registry import Launch, Plan, plans
from runtime.kernels.operand import Operand

FILE = "unpooling.cu"


def scalars(count: int, small: Operand, large: Operand) -> tuple[np.generic, ...]:
    """What the kernels take after their arrays."""
    _, H, W, N = small.shape
    return tuple(np.int64(number) for number in (count, H * W, large.shape[1] * large.shape[2], N))


@plans
def unpool_forward(x: Operand, positions: Operand, y: Operand, apart: bool) -> Plan:
    wide = width(y)
    threads = y.size // wide + y.size % wide
    size = (np.int64(y.size),)
    clear = Launch(FILE, name("unpool_clear", wide), (blocks(threads), 1, 1), (THREADS, 1, 1), (2,), size, work=(y.bytes, 0))
    count = x.size if apart else x.shape[0] * x.shape[3]
    function = "unpool_scatter" if apart else "unpool_in_order"
    grid, work = (blocks(count), 1, 1), (3 * x.bytes, 0)
    put = Launch(FILE, function, grid, (THREADS, 1, 1), (0, 1, 2), scalars(count, x, y), work=work)
    return Plan((clear, put))


@plans
def unpool_backward(dy: Operand, positions: Operand, dx: Operand) -> Launch:
    grid = (blocks(dx.size), 1, 1)
    return Launch(FILE, "unpool_backward", grid, (THREADS, 1, 1), (0, 1, 2), scalars(dx.size, dx, dy))
