"""Where a run first made a number that is not finite."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np

from netdef.graph.layer import Blob
from netdef.graph.net import Net
from netdef.language.diagnostics import NetdefError
from runtime.ir.program import NARROW, Instruction, Program
from runtime.machine.bad_input import not_finite_because
from runtime.machine.device import BoundInstruction, Device, location
from runtime.machine.memory import Memory
from runtime.machine.ranks.courier import RankError
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


class Finds(Protocol):
    """An Executable, as far as it finds the first output that is not finite."""

    def first_non_finite(self) -> str | None: ...


def with_origin(text: str, executable: Finds | None) -> str:
    """A text about a number that is not finite, and the first output of the last run that is not, where there is one.

    Raises
    ------
    RankError: another rank has failed.
    """
    try:
        first = executable.first_non_finite() if executable is not None else None
    except RankError:
        raise
    except NetdefError as error:  # what is to be said first is that numbers are not finite
        return f"{text}; the net could not run again to find the first: {error.diagnostics[0].message}"
    return f"{text}: the first output that is not finite is of {first}" if first else text


def find_non_finite(executable: Runs, read: Reader) -> str | None:
    """Run forward again, one instruction at a time; see `Executable.first_non_finite`.

    read: gives what a blob's memory holds now, in Caffe's shape.
    """
    found, numbers = None, {instruction: number for number, instruction in enumerate(executable.program.forward)}
    with executable.memory.only_here():
        for instruction, bound in executable.bound("forward"):
            overwritten = overwritten_by(executable, instruction, read)
            executable.run_bound([bound], instruction.device)
            executable.devices[instruction.device].synchronize()
            outputs = (executable.memory.read(buffer) for buffer in instruction.outputs if buffer.dtype in ("float32", NARROW))
            if found is None and not all(np.isfinite(values).all() for values in outputs):
                found = numbers[instruction], _where(executable, instruction, read, overwritten)
            if found is not None and executable.ranks is None:
                break
    if executable.ranks is not None:  # which all run to the end, as others wait for what they send
        found = min((one for one in executable.ranks.exchange(found) if one is not None), default=None)
    return None if found is None else found[1]


def overwritten_by(executable: Runs, instruction: Instruction, read: Reader) -> dict[Blob, np.ndarray]:
    """What a layer reads, and its instruction writes its result over."""
    plan, blobs = executable.program.plan, executable.program.blobs
    if plan is None or not (instruction.inplace and instruction.inputs and instruction.outputs):
        return {}
    source, target = instruction.inputs[0].root, instruction.outputs[0].root
    if plan.offsets[source] != plan.offsets[target]:
        return {}
    bottoms = executable.net.layer(instruction.layer).bottoms
    return {blob: read(blob) for blob in bottoms if blob in blobs and blobs[blob].root is source}


def _where(executable: Runs, instruction: Instruction, read: Reader, overwritten: Mapping[Blob, np.ndarray]) -> str:
    """Rank, device, kernel and layer of an instruction, and the cause where that is known."""

    def given(blob: Blob) -> np.ndarray:
        return overwritten[blob] if blob in overwritten else read(blob)

    where = location(executable.devices[instruction.device].name, instruction)
    because = not_finite_because(executable.net.layer(instruction.layer), given)
    on = f"{executable.ranks.name}, " if executable.ranks is not None else ""
    return f"{on}{where}: {because}" if because else on + where
