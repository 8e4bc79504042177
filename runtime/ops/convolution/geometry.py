"""What the kernels of a convolution share."""

from __future__ import annotations

from typing import NamedTuple

Pair = tuple[int, int]


class Geometry(NamedTuple):
    """Windows of a convolution, (height, width) each, and its groups."""

    kernel: Pair
    stride: Pair
    pad: Pair
    dilation: Pair
    group: int


def position_run(positions: int, N: int, target: int) -> int:
    """How many output positions one product takes: about `target` columns, and all runs of about one length."""
    runs = max(1, round(positions * N / target))
    return -(-positions // runs)
