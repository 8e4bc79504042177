"""What the shares of an LRN cut along its channels make of a gradient, put together as a divided net does it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from netdef.graph.cuts import even_cuts

Backward = Callable[[np.ndarray, np.ndarray, int], np.ndarray]  # of x, dy and the number of groups


def gradient_of_shares(backward: Backward, x: np.ndarray, dy: np.ndarray, size: int, group: int, blocks: int) -> np.ndarray:
    """dx (C, positions): each share goes back with half a window of channels beyond its own, whose dy is zero."""
    C, half = len(x), size // 2
    dx, seams = np.zeros_like(x), []
    for begin, end in even_cuts(C, blocks, group):
        if begin == end:
            continue
        first = begin // (C // group) * (C // group)
        last = max(first + C // group, end)
        low, high = max(begin - half, first), min(end + half, last)
        mine = np.zeros_like(x)
        mine[begin:end] = dy[begin:end]
        made = backward(x[low:high].copy(), mine[low:high].copy(), (last - first) // (C // group) if low == first else 1)
        dx[begin:end] = made[begin - low : end - low]
        seams += [(slice(low, begin), made[: begin - low]), (slice(end, high), made[end - low :])]
    for channels, part in seams:
        dx[channels] += part
    return dx


def can_be_cut(channels: int, size: int, group: int, blocks: int) -> bool:
    """Whether each share has channels enough, and there is a seam at all."""
    cuts, per_group, half = [cut for cut in even_cuts(channels, blocks, group) if cut[0] < cut[1]], channels // group, size // 2
    inside = [sum(edge % per_group > 0 for edge in cut) for cut in cuts]
    return any(inside) and all(e - b >= max(n * half, half + 1) for n, (b, e) in zip(inside, cuts, strict=True) if n)
