"""What a plan may know of an array, on any device."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import NamedTuple

from runtime.ir.program import ITEM_BYTES, Instruction


class Workspace(NamedTuple):
    """An array in the device's workspace: from which byte on it lies there."""

    offset: int = 0


Pointer = int | str | Workspace  # the instruction's n-th array (inputs, then outputs), a constant that is an array, or workspace


@dataclass(frozen=True)
class Operand:
    """An array's shape, its type, and how its address is aligned (address modulo at least 16); `pointer`: which array it is."""

    shape: tuple[int, ...]
    dtype: str = "float32"
    address: int = 0
    pointer: Pointer = -1

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.size * ITEM_BYTES[self.dtype]

    def fits(self, width: int) -> bool:
        """Whether `width` numbers starting at this array's first can be loaded at once."""
        return self.address % (width * ITEM_BYTES[self.dtype]) == 0


def operands_of(instruction: Instruction) -> list[Operand]:
    """An instruction's arrays, each at its offset in its buffer."""
    return [Operand(buffer.shape, buffer.dtype, buffer.byte_offset) for buffer in instruction.buffers]
