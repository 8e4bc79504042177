"""Random data from a filler, other values in each iteration."""

from __future__ import annotations

from runtime.kernels.cpu.registry import kernel
from runtime.ops.random_fill.fillers import fill


@kernel(items=lambda iteration, y, filler, shape, seed, name: 1, flops=0)
def random_fill(begin, end, iteration, y, filler, shape, seed, name):
    """y (any shape) filled as Caffe's filler would fill a blob of user shape `shape`; keyed by seed, name and iteration (1,)."""
    fill(y.reshape(shape), filler, seed, f"{name}@{iteration[0]}")
