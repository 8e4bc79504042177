"""Page-locked memory of the host: what cards copy from and to by themselves, while the host goes on."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from netdef.language.diagnostics import NetdefError
from netdef.language.units import binary

OUT_OF_MEMORY = 2  # cudaErrorMemoryAllocation


class _Bytes(ctypes.Array[ctypes.c_uint8]):
    """Page-locked bytes; arrays made of them keep them, and with them what owns the memory."""

    _type_, _length_ = ctypes.c_uint8, 0
    owner: Any


def page_locked_bytes(cupy: Any, size: int) -> np.ndarray:
    """New page-locked memory as uint8 (size,).  It is given back when no array in it is left.

    Raises
    ------
    NetdefError: the host has not that much.
    """
    try:
        owner = cupy.cuda.alloc_pinned_memory(max(size, 1))
    except cupy.cuda.runtime.CUDARuntimeError as error:
        if error.status != OUT_OF_MEMORY:
            raise
        message = f"out of memory on the host: {binary(size)} of page-locked memory are needed for copies to and from a card"
        hint = "a container may limit it, and WSL does; a smaller batch_size, or prefetch of a Data layer, needs less"
        raise NetdefError(message, hint=hint) from None
    kind: Any = type("PageLocked", (_Bytes,), {"_type_": ctypes.c_uint8, "_length_": size})
    held = kind.from_address(int(owner.ptr))
    held.owner = owner
    return np.frombuffer(held, np.uint8, size) if size else np.empty(0, np.uint8)


def page_locked_array(cupy: Any, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """A new array in page-locked memory; raises as `page_locked_bytes`."""
    count = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    return page_locked_bytes(cupy, count).view(dtype).reshape(shape)


def is_page_locked(values: Any) -> bool:
    """Whether an array lies in memory that this module gave."""
    while isinstance(values, np.ndarray):
        values = values.base
    return isinstance(values.obj if isinstance(values, memoryview) else values, _Bytes)
