"""Memory of cards and page-locked memory of the host, each in a world of its own.

An address on a card is a number that means nothing to the host: taking one for the other is an error.  Fresh memory holds NaN
in every float, and memory that was given back again.  Around every piece lie guards, whose bytes must stay what they are.
"""

from __future__ import annotations

import ctypes
from bisect import bisect_right
from threading import RLock
from typing import ClassVar

import numpy as np

CARD = 1 << 44  # bytes of address space that a card has
FIRST = 0x5000  # card 0's addresses start at FIRST * CARD, far from anything that is real
GUARD = 256  # bytes before and after each piece
GUARD_BYTE = 0xA5
FRESH = 0xFF  # four of them are a NaN


class AddressError(Exception):
    """An address that is not memory of the kind that was needed."""


class Piece:
    """One allocation.  `real`: where its bytes are in this process."""

    def __init__(self, address: int, size: int, device: int):
        self.address, self.size, self.device = address, size, device
        self._store = np.full(size + 2 * GUARD + 64, GUARD_BYTE, np.uint8)
        start = GUARD + -(self._store.ctypes.data + GUARD) % 64
        self.bytes = self._store[start : start + size]
        self.bytes[:] = FRESH
        self._before, self._after = self._store[:start], self._store[start + size :]

    @property
    def real(self) -> int:
        return int(self.bytes.ctypes.data)

    def check(self) -> None:
        """That nobody wrote beside it."""
        if (self._before != GUARD_BYTE).any() or (self._after != GUARD_BYTE).any():
            raise AddressError(f"somebody wrote beside the {self.size} bytes at {self.address:#x}")


class CardMemory:
    """The pieces of one card."""

    def __init__(self, device: int, size: int):
        self.device, self.size = device, size
        self.others = 0  # bytes that other processes hold
        self._next = (FIRST + device) * CARD
        self._starts: list[int] = []
        self._pieces: dict[int, Piece] = {}
        self._lock = RLock()  # ranks are threads, and any of them may run what waits on a card

    @property
    def used(self) -> int:
        return self.others + sum(piece.size for piece in self._pieces.values())

    def allocate(self, size: int) -> Piece:
        with self._lock:
            piece = Piece(self._next, size, self.device)
            self._next += -(-size // 512) * 512 + 512
            self._starts.append(piece.address)
            self._pieces[piece.address] = piece
        return piece

    def free(self, piece: Piece) -> None:
        piece.check()
        piece.bytes[:] = FRESH
        with self._lock:
            del self._pieces[piece.address]
            self._starts.remove(piece.address)

    def find(self, address: int, size: int) -> np.ndarray:
        """The bytes at an address.

        Raises
        ------
        AddressError: they are not all in one live piece.
        """
        with self._lock:
            place = bisect_right(self._starts, address) - 1
            piece = self._pieces[self._starts[place]] if place >= 0 else None
        if piece is not None:
            first = address - piece.address
            if first + size <= piece.size:
                return piece.bytes[first : first + size]
        raise AddressError(f"{size} bytes at {address:#x} are no memory of card {self.device}")

    def check(self) -> None:
        with self._lock:
            pieces = list(self._pieces.values())
        for piece in pieces:
            piece.check()


def is_on_card(address: int) -> bool:
    return address >= FIRST * CARD


class PinnedMemory:
    """Page-locked memory of the host.  It is known as such while it lives, and full of NaN once it was given back."""

    alive: ClassVar[dict[int, int]] = {}  # address -> bytes

    def __init__(self, size: int):
        self._store = np.full(size + 64, FRESH, np.uint8)
        self.ptr = int(self._store.ctypes.data) + -self._store.ctypes.data % 64
        self._size = size
        PinnedMemory.alive[self.ptr] = size

    def __del__(self) -> None:
        self._store[:] = FRESH
        PinnedMemory.alive.pop(self.ptr, None)

    @classmethod
    def find(cls, address: int, size: int) -> np.ndarray:
        """The bytes at an address of page-locked memory.

        Raises
        ------
        AddressError: it is other memory, which no copy may read or write while the host goes on.
        """
        for start, length in cls.alive.copy().items():  # garbage collection may free some
            if start <= address and address + size <= start + length:
                return np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))
        raise AddressError(f"{size} bytes at {address:#x} are not page-locked")
