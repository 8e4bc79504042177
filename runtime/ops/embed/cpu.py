"""Rows of a table, picked by number (Caffe's embed_layer.cpp).  x (A, N), the table w (K, D), y (A, D, N)."""

from __future__ import annotations

from typing import Any

from runtime.kernels.cpu.index import index_of
from runtime.kernels.cpu.jit import jit
from runtime.kernels.cpu.registry import kernel
from runtime.kernels.operand import Operand

COLUMNS = 16  # of the table in one item: a cache line


def blocks(columns: int) -> int:
    """How many items the table's columns make."""
    return -(-columns // COLUMNS)


def _items(x: Any, w: Any, b: Any, y: Any, has_bias: bool) -> int:
    return y.shape[0] * blocks(y.shape[1])


def _moved(x: Operand, w: Operand, b: Operand, y: Operand, has_bias: bool) -> int:
    """Of the table at most a row for each number."""
    return x.bytes + y.bytes + min(w.bytes, y.bytes) + (b.bytes if has_bias else 0)


@kernel(items=_items, flops=lambda x, w, b, y, has_bias: y.size if has_bias else 0, moved=_moved)
@jit
def embed(begin, end, x, w, b, y, has_bias):
    """y[a, d, n] = w[x[a, n], d] + b[d].  Item: COLUMNS of the table's columns for one a."""
    D, N = y.shape[1], y.shape[2]
    per_a, bias = -(-D // COLUMNS), b.reshape(-1)
    for item in range(begin, end):
        a, first = item // per_a, item % per_a * COLUMNS
        for n in range(N):
            row = w[index_of(x[a, n], w.shape[0])]
            for d in range(first, min(first + COLUMNS, D)):
                y[a, d, n] = row[d]
        if has_bias:
            for d in range(first, min(first + COLUMNS, D)):
                for n in range(N):
                    y[a, d, n] += bias[d]


@kernel(items=lambda x, dy, dw: blocks(dw.shape[1]), flops=lambda x, dy, dw: dy.size)
@jit
def embed_gradient(begin, end, x, dy, dw):
    """dw[k, d] = the sum of dy[a, d, n] over the (a, n) with x[a, n] = k, in order.  Item: COLUMNS columns."""
    A, D, N = dy.shape
    for item in range(begin, end):
        first, last = item * COLUMNS, min((item + 1) * COLUMNS, D)
        dw[:, first:last] = 0
        for a in range(A):
            for n in range(N):
                k = index_of(x[a, n], dw.shape[0])
                for d in range(first, last):
                    dw[k, d] += dy[a, d, n]
