"""Copies from one card to another: directly where they can reach each other's memory, else by way of page-locked memory."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from runtime.machine.cuda.transfers import Slot

if TYPE_CHECKING:
    from runtime.machine.cuda.device import CudaDevice

CHUNK = 4 << 20  # bytes that go by way of the host at a time
SLOTS = 2  # one is filled while the other is emptied


class SendStep:
    """A copy to another card, on the stream of the one that has it."""

    capturable = False

    def __init__(self, device: CudaDevice, source: Any, target: Any):
        here, there = source.data.device_id, target.data.device_id
        self._arrays = source, target  # kept: the copy knows only addresses
        if device.reaches(there):
            arguments = (target.data.ptr, there, source.data.ptr, here, source.nbytes, device.copies.stream.ptr)
            self._copy = partial(device.cupy.cuda.runtime.memcpyPeerAsync, *arguments)
        else:
            self._copy = partial(device.detour(there).copy, target.data.ptr, source.data.ptr, source.nbytes)

    def __call__(self) -> None:
        self._copy()


class Detour:
    """The way to a card whose memory cannot be reached: down to page-locked memory on one stream, up from there on another.

    Parameters
    ----------
    copies: the stream of the sending card; a copy counts as one of its own.
    there: the card that receives.  A stream of its own takes what is for it.
    """

    def __init__(self, cupy: Any, copies: Any, there: int):
        self._runtime, self._copies = cupy.cuda.runtime, copies
        self._slots = [Slot(cupy, CHUNK) for _ in range(SLOTS)]
        with cupy.cuda.Device(there):
            self._landing = cupy.cuda.Stream(non_blocking=True)
            self._landed = [cupy.cuda.Event(disable_timing=True) for _ in range(SLOTS)]

    def copy(self, target: int, source: int, size: int) -> None:
        """Put a copy of `size` bytes on the streams."""
        runtime, copies, landing = self._runtime, self._copies, self._landing
        starts = range(0, size, CHUNK)
        for number, first in enumerate(starts):
            slot, landed, part = self._slots[number % SLOTS], self._landed[number % SLOTS], min(CHUNK, size - first)
            if number >= SLOTS:
                copies.wait_event(landed)  # of the chunk that the slot holds
            runtime.memcpyAsync(slot.address, source + first, part, runtime.memcpyDeviceToHost, copies.ptr)
            slot.used.record(copies)
            landing.wait_event(slot.used)
            runtime.memcpyAsync(target + first, slot.address, part, runtime.memcpyHostToDevice, landing.ptr)
            landed.record(landing)
        for landed in self._landed[: len(starts)]:
            copies.wait_event(landed)
