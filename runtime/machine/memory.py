"""The memory of a program on its devices: arenas, and the arrays in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from runtime.ir.program import PARAMETERS, WORKING, Buffer, Program, arena_of
from runtime.machine.device import Device


class Memory:
    """Where a program's buffers are.

    Parameters
    ----------
    own_parameters: whether it has parameters of its own; else they are adopted from another memory, one by one.
    """

    def __init__(self, program: Program, devices: Sequence[Device], own_parameters: bool):
        assert program.plan is not None
        self._plan, self._devices = program.plan, devices
        sizes = self._plan.arenas
        self._arenas: dict[str, Any] = {}
        for index, device in enumerate(devices):
            parameters, working = arena_of(PARAMETERS, index), arena_of(WORKING, index)
            self._arenas[working] = device.allocate(sizes[working])
            if own_parameters:
                self._arenas[parameters] = device.allocate(sizes[parameters])
        self._arrays: dict[Buffer, Any] = {}
        self._adopted: dict[Buffer, tuple[Memory, Buffer]] = {}
        self._set: dict[Buffer, float] = {}  # what the host has set, as long as it stays
        self._written = {output.root for instruction in program.instructions for output in instruction.outputs}

    def array(self, buffer: Buffer) -> Any:
        """The device's array of a buffer."""
        if buffer not in self._arrays:
            arena, begin = self._locate(buffer)
            self._arrays[buffer] = self._devices[buffer.device].array(arena, begin, buffer.shape, buffer.dtype)
        return self._arrays[buffer]

    def _locate(self, buffer: Buffer) -> tuple[Any, int]:
        """The arena that a buffer lies in, and its first byte there."""
        if buffer.root in self._adopted:
            other, theirs = self._adopted[buffer.root]
            arena, begin = other._locate(theirs)
            return arena, begin + buffer.byte_offset
        name, begin, _ = self._plan.span(buffer)
        return self._arenas[name], begin

    def adopt(self, buffer: Buffer, other: Memory, theirs: Buffer) -> None:
        """Let a buffer, and so every view of it, be another memory's."""
        self._adopted[buffer] = other, theirs

    def recycles(self, buffer: Buffer) -> bool:
        """Whether others use a buffer's memory in turn, so that it cannot be read after a run."""
        return buffer.root in self._plan.recycled

    def read(self, buffer: Buffer) -> np.ndarray:
        """A copy, in internal layout."""
        return self._devices[buffer.device].read(self.array(buffer))

    def write(self, buffer: Buffer, values: np.ndarray) -> None:
        """Copy from the host; broadcast as NumPy does."""
        self._set.pop(buffer.root, None)
        self._devices[buffer.device].write(self.array(buffer), values)

    def set(self, buffer: Buffer, value: float) -> None:
        """Let every element be `value`; nothing is copied where the host set the same before and no kernel writes there."""
        if self._set.get(buffer.root) != value:
            self.write(buffer, np.asarray(value, buffer.dtype))
            if buffer.root not in self._written:
                self._set[buffer.root] = value

    def upload(self, buffer: Buffer, values: np.ndarray) -> None:
        """`write`, for data that are written for every run."""
        self._set.pop(buffer.root, None)
        self._devices[buffer.device].upload(self.array(buffer), values)
