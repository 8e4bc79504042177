"""What the kernels of a convolution share."""

from __future__ import annotations

from typing import NamedTuple

from runtime.kernels.operand import Operand

Pair = tuple[int, int]
MOST_OUTPUTS = 8  # of a channel alone in its group: with 16, products are as fast on a CPU for batches of 8 and 32
WIDEST = 11  # rows and columns of a window that cards take without products: sums of a row of weights fill registers


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


def is_depthwise(geometry: Geometry, w: Operand) -> bool:
    """Whether each of several groups has one input channel and few outputs; w: its weights."""
    return w.shape[1] == 1 and geometry.group > 1 and w.shape[0] <= MOST_OUTPUTS * geometry.group


def is_depthwise_on_cards(geometry: Geometry, w: Operand) -> bool:
    """The same, and its windows are not too large for a card's kernels."""
    return is_depthwise(geometry, w) and max(geometry.kernel) <= WIDEST


def depthwise_flops(geometry: Geometry, w: Operand, y: Operand) -> int:
    """The floating point operations that are no matrix product's on a card; y: what the convolution computes forward."""
    return 2 * geometry.kernel[0] * geometry.kernel[1] * y.size if is_depthwise_on_cards(geometry, w) else 0


def is_pointwise(geometry: Geometry) -> bool:
    """Whether each window is the position it makes."""
    return geometry.kernel == geometry.stride == (1, 1) and geometry.pad == (0, 0)
