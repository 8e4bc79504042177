"""Copies between the host and a card that neither waits for the other: page-locked staging memory, a stream for uploads, events.

What the host writes is first copied into a page-locked slot, so that the caller's array is free at once, and goes to the card from
there.  A slot is used again only after the event recorded behind its last copy.  Arrays that are page-locked themselves, as batches
of data sources are, go to the card from where they lie; who fills them again waits for an event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from runtime.machine.cuda.page_locked import is_page_locked, page_locked_bytes

SMALL = 64 << 10  # bytes; writes up to this size take turns in many slots, so that the host can run ahead
SMALL_SLOTS = 64
LARGE = 8 << 20  # bytes that a larger write or read moves at a time
LARGE_SLOTS = 2
ROUNDS = 2  # of double-buffering


class Slot:
    """Page-locked memory for one copy at a time.  `used`: recorded behind the copy that uses it.

    Raises
    ------
    NetdefError: the host has not that much.
    """

    def __init__(self, cupy: Any, size: int):
        self.bytes = page_locked_bytes(cupy, size)
        self.address = int(self.bytes.ctypes.data)
        self.used = cupy.cuda.Event(disable_timing=True)

    def array(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """The slot's first bytes as an array."""
        count = int(np.prod(shape, dtype=np.int64))
        return self.bytes[: count * dtype.itemsize].view(dtype).reshape(shape)


class Ring:
    """Slots that are used in turn; taking one waits until its last copy is done."""

    def __init__(self, cupy: Any, count: int, size: int):
        self._cupy, self._size = cupy, size
        self._slots: list[Slot] = []
        self._count, self._next = count, 0

    def take(self) -> Slot:
        if len(self._slots) < self._count:
            self._slots.append(Slot(self._cupy, self._size))
            return self._slots[-1]
        slot = self._slots[self._next]
        self._next = (self._next + 1) % self._count
        slot.used.synchronize()
        return slot


@dataclass
class DoubleBuffer:
    """What one array is uploaded through again and again: memory on the card twice, and slots for what is not page-locked."""

    landing: list[Any]
    uploaded: list[Any]
    consumed: list[Any]
    slots: list[Slot] = field(default_factory=list)
    turn: int = field(default=0)


class Transfers:
    """All copies between the host and one card.  Call with the card being the current device.

    Parameters
    ----------
    compute: the stream that kernels run on; every copy here is ordered with it as if it were done there.
    upload: the stream that `upload` also uses.
    allocate: gives memory on the card.
    """

    def __init__(self, cupy: Any, compute: Any, upload: Any, allocate: Callable[[int], Any]):
        self._cupy, self._compute, self._upload, self._allocate = cupy, compute, upload, allocate
        self._small, self._large = Ring(cupy, SMALL_SLOTS, SMALL), Ring(cupy, LARGE_SLOTS, LARGE)
        self._buffers: dict[tuple[int, int], DoubleBuffer] = {}
        self._read_from: dict[int, np.ndarray] = {}  # kept, as their source may be closed while a copy is under way; by address

    def write(self, array: Any, values: np.ndarray) -> None:
        """Copy to the card, broadcast as NumPy does."""
        dtype = np.dtype(array.dtype)
        whole = np.broadcast_to(np.asarray(values), array.shape)
        ring = self._small if array.nbytes <= SMALL else self._large
        for first, part in pieces(whole, (SMALL if ring is self._small else LARGE) // dtype.itemsize):
            slot = ring.take()
            slot.array(part.shape, dtype)[...] = part
            self._copy(array.data.ptr + first * dtype.itemsize, slot.address, part.size * dtype.itemsize, "HostToDevice")
            slot.used.record(self._compute)

    def upload(self, array: Any, values: np.ndarray) -> Any:
        """`write` for data that are written for every run: the copy overlaps with what the card is still computing.

        It lands in a buffer, and is moved to the array when everything that was run before is done.

        Returns
        -------
        None where `values` are free at once; else, of page-locked values, the event behind the copy.
        """
        size, in_place = array.nbytes, goes_by_itself(values, array)
        if not size or (size <= SMALL and not in_place):
            self.write(array, values)
            return None
        buffers = self._buffers.get((array.data.ptr, size)) or self._open_buffers(array)
        turn, buffers.turn = buffers.turn, (buffers.turn + 1) % ROUNDS
        landing = buffers.landing[turn]
        if in_place:
            address, copied = int(values.ctypes.data), self._cupy.cuda.Event(disable_timing=True)
            self._read_from[address] = values
        else:
            slot = self._staged(buffers, turn, array, values)
            address, copied = slot.address, slot.used
        runtime = self._cupy.cuda.runtime
        self._upload.wait_event(buffers.consumed[turn])
        runtime.memcpyAsync(landing.ptr, address, size, runtime.memcpyHostToDevice, self._upload.ptr)
        copied.record(self._upload)
        buffers.uploaded[turn].record(self._upload)
        self._compute.wait_event(buffers.uploaded[turn])
        self._copy(array.data.ptr, landing.ptr, size, "DeviceToDevice")
        buffers.consumed[turn].record(self._compute)
        return copied if in_place else None

    def _staged(self, buffers: DoubleBuffer, turn: int, array: Any, values: np.ndarray) -> Slot:
        """The slot of a turn, free again and filled with values."""
        while len(buffers.slots) <= turn:
            buffers.slots.append(Slot(self._cupy, array.nbytes))
        slot = buffers.slots[turn]
        slot.used.synchronize()
        slot.array(array.shape, np.dtype(array.dtype))[...] = values
        return slot

    def read(self, array: Any) -> np.ndarray:
        """A copy for the host; waits for it."""
        values = np.empty(array.shape, np.dtype(array.dtype))
        flat = values.reshape(-1).view(np.uint8)
        for first in range(0, array.nbytes, LARGE):
            slot, size = self._large.take(), min(LARGE, array.nbytes - first)
            self._copy(slot.address, array.data.ptr + first, size, "DeviceToHost")
            slot.used.record(self._compute)
            slot.used.synchronize()
            flat[first : first + size] = slot.bytes[:size]
        return values

    def release(self) -> None:
        """Give back the memory of uploads, none of which may be under way."""
        self._buffers.clear()
        self.done()

    def done(self) -> None:
        """Let go of the arrays that uploads read; the streams are empty."""
        self._read_from.clear()

    def _copy(self, target: int, source: int, size: int, kind: str) -> None:
        runtime = self._cupy.cuda.runtime
        runtime.memcpyAsync(target, source, size, getattr(runtime, f"memcpy{kind}"), self._compute.ptr)

    def _open_buffers(self, array: Any) -> DoubleBuffer:
        def events() -> list[Any]:
            return [self._cupy.cuda.Event(disable_timing=True) for _ in range(ROUNDS)]

        size = array.nbytes
        buffers = DoubleBuffer([self._allocate(size) for _ in range(ROUNDS)], events(), events())
        self._buffers[array.data.ptr, size] = buffers
        return buffers


def goes_by_itself(values: Any, array: Any) -> bool:
    """Whether a card can copy values to an array from where they lie, as they lie."""
    if not isinstance(values, np.ndarray) or not values.flags.c_contiguous:
        return False
    return values.shape == array.shape and values.dtype == array.dtype and is_page_locked(values)


def pieces(values: np.ndarray, most: int) -> Iterator[tuple[int, np.ndarray]]:
    """Cut an array, which need not be contiguous, into chunks of at most `most` elements: (first flat index, chunk)."""
    if values.size <= most:
        yield 0, values
        return
    row = values[0].size
    if row > most:
        for index, part in enumerate(values):
            for first, piece in pieces(part, most):
                yield index * row + first, piece
        return
    step = most // row
    for index in range(0, len(values), step):
        yield index * row, values[index : index + step]
