"""Blobs with time last in memory, which is users' first axis, and the same with time first and streams last."""

from __future__ import annotations

from collections.abc import Callable

from runtime.ir.program import Buffer
from runtime.ops.gather.box import Box, box, strides_of


def turned(shape: tuple[int, int, int]) -> Box:
    """From an array (a, b, c) to one (c, b, a)."""
    a, b, c = shape
    return box((c, b, a), (1, c, b * c), strides_of((c, b, a)))


def turn(append: Callable[..., None], source: Buffer, target: Buffer, shape: tuple[int, int, int]) -> None:
    """Copy `source`, which is (a, b, c), to `target` as (c, b, a); by `build.forward` or `build.backward`."""
    append("copy_box", source.flat(), out=target.flat(), box=turned(shape))
