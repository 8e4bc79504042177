"""What a plan may know of an array, on any device."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import NamedTuple

from runtime.ir.program import ITEM_BYTES, Instruction

PARAMETER_ROLES = ("parameter", "folded")


class Workspace(NamedTuple):
    """An array in the device's workspace: from which byte on it lies there."""

    offset: int = 0


class Kept(NamedTuple):
    """An array that a device keeps between runs for an instruction: from which byte on it lies there."""

    offset: int = 0


# The instruction's n-th array (inputs, then outputs), a constant that is an array, workspace, or memory that it keeps.
Pointer = int | str | Workspace | Kept


@dataclass(frozen=True)
class Operand:
    """An array's shape, its type, and how its address is aligned (address modulo at least 16); `pointer`: which array it is.

    lasting: it holds the same numbers in many runs, so that what is made of it alone may be kept.
    """

    shape: tuple[int, ...]
    dtype: str = "float32"
    address: int = 0
    pointer: Pointer = -1
    lasting: bool = False

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
    lasting = PARAMETER_ROLES if instruction.lasting else ()
    return [Operand(b.shape, b.dtype, b.byte_offset, lasting=b.root.role in lasting) for b in instruction.buffers]
