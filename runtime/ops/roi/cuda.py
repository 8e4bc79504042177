"""Launches of roi.cu and align.cu."""

from __future__ import annotations

import numpy as np

from runtime.kernels.cuda.grids import THREADS, blocks, elements, ints, rows
from runtime.kernels.cuda.registry import Launch, plans
from runtime.kernels.operand import Operand


def each(file: str, function: str, over: Operand, pointers: int, *scalars: np.generic) -> Launch:
    """A thread for each element of a channel of `over`."""
    C, height, width, N = over.shape
    grid = (blocks(elements(height, width, N)), rows(C), 1)
    return Launch(file, function, grid, (THREADS, 1, 1), tuple(range(pointers)), scalars)


@plans
def roi_max_forward(x: Operand, rois: Operand, y: Operand, argmax: Operand, scale: float) -> Launch:
    return each("roi.cu", "roi_max_forward", y, 4, *ints(*x.shape, *y.shape[1:]), np.float32(scale))


@plans
def roi_max_backward(dy: Operand, rois: Operand, argmax: Operand, dx: Operand) -> Launch:
    return each("roi.cu", "roi_max_backward", dx, 4, *ints(*dx.shape, *dy.shape[1:]))


@plans
def psroi_forward(x: Operand, rois: Operand, y: Operand, scale: float) -> Launch:
    D, G, _, R = y.shape
    return each("roi.cu", "psroi_forward", y, 3, *ints(D, *x.shape[1:], G, R), np.float32(scale))


@plans
def psroi_backward(dy: Operand, rois: Operand, dx: Operand, scale: float) -> Launch:
    return each("roi.cu", "psroi_backward", dx, 3, *ints(*dx.shape, dy.shape[1], dy.shape[3]), np.float32(scale))


@plans
def roi_align_forward(x: Operand, rois: Operand, y: Operand, scale: float, samples: int) -> Launch:
    return each("align.cu", "roi_align_forward", y, 3, *ints(*x.shape, *y.shape[1:]), np.float32(scale), np.int32(samples))


@plans
def roi_align_backward(dy: Operand, rois: Operand, dx: Operand, scale: float, samples: int) -> Launch:
    return each("align.cu", "roi_align_backward", dx, 3, *ints(*dx.shape, *dy.shape[1:]), np.float32(scale), np.int32(samples))
