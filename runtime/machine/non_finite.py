"""Where a run first made a number that is not finite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from netdef.graph.layer import Blob
from netdef.graph.net import Net
from runtime.ir.program import Instruction, Program
from runtime.machine.bad_input import not_finite_because
from runtime.machine.device import BoundInstruction, Device, location
from runtime.machine.memory import Memory
from runtime.machine.ranks.ranks import Ranks

Reader = Callable[[Blob], np.ndarray]


class Runs(Protocol):
    """What is taken of an Executable, which see."""

    net: Net
    program: Program
    memory: Memory
    devices: tuple[Device, ...]
    ranks: Ranks | None

    def bound(self, name: str) -> list[tuple[Instruction, BoundInstruction]]: ...

    def run_bound(self, bound: Sequence[BoundInstruction], device: int = 0) -> None: ...


def find_non_finite(executable: Runs, read: Reader) -> str | None:
    """Run forward again, one instruction at a time; see `Executable.first_non_finite`.

    read: gives what a blob's memory holds now, in Caffe's shape.
    """
    found, numbers = None, {instruction: number for number, instruction in enumerate(executable.program.forward)}
    with executable.memory.only_here():
        for instruction, bound in executable.bound("forward"):
            executable.run_bound([bound], instruction.device)
            executable.devices[instruction.device].synchronize()
            outputs = (executable.memory.read(buffer) for buffer in instruction.outputs if buffer.dtype == "float32")
            if found is None and not all(np.isfinite(values).all() for values in outputs):
                found = numbers[instruction], _where(executable, instruction, read)
            if found is not None and executable.ranks is None:
                break
    if executable.ranks is not None:  # which all run to the end, as others wait for what they send
        found = min((one for one in executable.ranks.exchange(found) if one is not None), default=None)
    return None if found is None else found[1]


def _where(executable: Runs, instruction: Instruction, read: Reader) -> str:
    """Rank, device, kernel and layer of an instruction, and the cause where that is known."""
    where = location(executable.devices[instruction.device].name, instruction)
    because = not_finite_because(executable.net.layer(instruction.layer), read)
    on = f"{executable.ranks.name}, " if executable.ranks is not None else ""
    return f"{on}{where}: {because}" if because else on + where
