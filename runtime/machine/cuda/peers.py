"""Copies from one card to another: directly where they can reach each other's memory, else by way of page-locked memory."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from runtime.machine.cuda.cards import Card
from runtime.machine.cuda.transfers import Slot

CHUNK = 4 << 20  # bytes that go by way of the host at a time
SLOTS = 2  # one is filled while the other is emptied
ALREADY_ENABLED = 704  # cudaErrorPeerAccessAlreadyEnabled
NO_PEER_ACCESS = (217, 711)  # cudaErrorPeerAccessUnsupported, cudaErrorTooManyPeers


class Send:
    """A copy to another card, on the stream of the one that has it."""

    capturable = False

    def __init__(self, copy: Callable[[], None], *arrays: Any):
        self._copy, self._arrays = copy, arrays  # kept: the copy knows only addresses

    def __call__(self) -> None:
        self._copy()


class CardPeers:
    """The other cards, as one card sends to them.

    Parameters
    ----------
    card: the one that sends.
    current: a context in which it is the current card.
    copies: its stream for what is sent.
    """

    def __init__(self, cupy: Any, card: Card, current: Callable[[], AbstractContextManager[None]], copies: Any):
        self._cupy, self._card, self._current, self._copies = cupy, card, current, copies
        self._reached: set[int] = set()
        self.detours: dict[int, Detour] = {}  # by the card that receives

    def send(self, source: Any, target: Any) -> Send:
        """A copy from an array of this card to one of another."""
        there = target.data.device_id
        if self._reaches(there):
            arguments = (target.data.ptr, there, source.data.ptr, source.data.device_id, source.nbytes, self._copies.ptr)
            return Send(partial(self._cupy.cuda.runtime.memcpyPeerAsync, *arguments), source, target)
        return Send(partial(self._detour(there).copy, target.data.ptr, source.data.ptr, source.nbytes), source, target)

    def _reaches(self, other: int) -> bool:
        """Whether this card can write to the memory of another one directly; if so, it may from now on."""
        if other not in self._card.peers:
            return False
        if other not in self._reached:
            runtime = self._cupy.cuda.runtime
            with self._current():
                try:
                    runtime.deviceEnablePeerAccess(other)
                except runtime.CUDARuntimeError as error:
                    if error.status in NO_PEER_ACCESS:
                        return False
                    if error.status != ALREADY_ENABLED:
                        raise
            self._reached.add(other)
        return True

    def _detour(self, other: int) -> Detour:
        """The way to a card that this one does not reach."""
        if other not in self.detours:
            with self._current():
                self.detours[other] = Detour(self._cupy, self._copies, other)
        return self.detours[other]


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
            slot, landed, count = self._slots[number % SLOTS], self._landed[number % SLOTS], min(CHUNK, size - first)
            if number >= SLOTS:
                copies.wait_event(landed)  # of the chunk that the slot holds
            runtime.memcpyAsync(slot.address, source + first, count, runtime.memcpyDeviceToHost, copies.ptr)
            slot.used.record(copies)
            landing.wait_event(slot.used)
            runtime.memcpyAsync(target + first, slot.address, count, runtime.memcpyHostToDevice, landing.ptr)
            landed.record(landing)
        for landed in self._landed[: len(starts)]:
            copies.wait_event(landed)
