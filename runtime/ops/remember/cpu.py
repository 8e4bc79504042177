"""Numbers of a run that stay on the device until they are read."""

from __future__ import annotations

from runtime.kernels.cpu.jit import jit
from runtime.kernels.cpu.registry import kernel


@kernel(
    items=lambda x, turn, ring: ring.shape[1],
    flops=lambda x, turn, ring: x.size,
    moved=lambda x, turn, ring: x.bytes + turn.bytes + 8 * ring.shape[1],
)
@jit
def remember(begin, end, x, turn, ring):
    """ring (rounds, columns) float64: row turn % rounds becomes the sums of `columns` equal runs of x, which is flat.

    turn (1,): the run's number.  The other rows, of other runs, stay.
    """
    row, size = turn[0] % ring.shape[0], x.size // ring.shape[1]
    for column in range(begin, end):
        total = 0.0
        for i in range(column * size, (column + 1) * size):
            total += x[i]
        ring[row, column] = total
