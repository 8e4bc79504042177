"""Transposition of matrices in flat arrays."""

from __future__ import annotations

from typing import Any

from runtime.kernels.cpu.jit import inner
from runtime.kernels.cpu.moves import transpose_square
from runtime.kernels.cpu.register_tile import LANES


@inner
def transpose(x: Any, x_at: int, x_row: int, rows: int, columns: int, y: Any, y_at: int, y_row: int) -> None:
    """y[j, i] = x[i, j] for i < rows and j < columns, of flat arrays, from *_at on, whose rows are *_row numbers apart."""
    tall, wide = rows - rows % LANES, columns - columns % LANES
    for i in range(0, tall, LANES):
        for j in range(0, wide, LANES):
            transpose_square(x, x_at + i * x_row + j, x_row, y, y_at + j * y_row + i, y_row)
    for i in range(rows):
        for j in range(wide if i < tall else 0, columns):
            y[y_at + j * y_row + i] = x[x_at + i * x_row + j]
