"""Whether a device's kernels agree with those of a reference: each instruction of a program on the same arrays on both.

The program runs on the reference; before each instruction, what it reads there is copied to the device, and after it, what both
made of that is compared; long sums with what float64 makes of them (exact.py).  So a kernel that is wrong shows as itself, and
nothing is blamed on what came before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.ir.program import NARROW, Buffer, Instruction
from runtime.machine.cuda.bound import runs_on_host
from runtime.machine.executable import Executable
from runtime.ops.halves.forms import narrow_bf16, widen_bf16
from runtime.selftest.exact import exact

if TYPE_CHECKING:
    from netdef.graph.layer import Blob

LISTS = ("forward", "backward", "update")


@dataclass(frozen=True)
class Allowed:
    """How far results may be apart.

    Attributes
    ----------
    products: of instructions that multiply matrices, and others: as a share of the largest number.
    training: of weights after some iterations, as a share of the way they went.
    """

    products: float
    others: float
    training: float

    @staticmethod
    def exact() -> Allowed:
        """Every bit must be the same."""
        return Allowed(0.0, 0.0, 0.0)

    @staticmethod
    def of(math: str) -> Allowed:
        """Sums of thousands of products in another order; with tf32 and bf16, of factors that are rounded to 10 bits and to 7.

        AlexNet's first weights changed by 1e-6 of themselves are 1e-3 of the way after ten iterations.
        """
        return {"tf32": Allowed(2e-3, 1e-5, 0.5), "bf16": Allowed(1.6e-2, 1e-5, 1.0)}.get(math, Allowed(2e-5, 1e-5, 1e-2))


@dataclass(frozen=True)
class Difference:
    """How far an instruction's results are apart, as a share of the largest number among them, and how far they may be."""

    instruction: Instruction
    worst: float
    allowed: float

    @property
    def agrees(self) -> bool:
        return self.worst <= self.allowed


def compare(
    reference: Executable, device: Executable, allowed: Allowed, kernels: Collection[str] = (), /, **inputs: Any
) -> Iterator[Difference]:
    """Compare two executables of one program, instruction by instruction.

    Parameters
    ----------
    kernels: whose instructions are compared, while the others run on the reference alone; by default all.
    inputs: what Input layers are given, by blob name.
    """
    reference.run_forward(0, **inputs)  # loads data, sets the iteration's number and the inputs
    for name in LISTS:
        for (instruction, mine), (same, theirs) in zip(reference.bound(name), device.bound(name), strict=True):
            if runs_on_host(instruction):  # the same function on every device
                continue
            if kernels and instruction.kernel not in kernels:
                reference.run_bound([mine])
                continue
            pairs = zip(instruction.inputs, same.inputs, strict=True)
            given = [as_held(reference.memory.read(mine), theirs) for mine, theirs in pairs]
            before = [reference.memory.read(buffer) for buffer in instruction.outputs]
            poison = [poison_for(*pair) for pair in zip(instruction.outputs, before, strict=True)]
            for executable, one in ((reference, instruction), (device, same)):
                for buffer, values in zip((*one.outputs, *one.inputs), (*poison, *given), strict=True):
                    executable.memory.write(buffer, values)  # inputs last, as outputs may take their memory
            reference.run_bound([mine])
            device.run_bound([theirs])
            expected = [reference.memory.read(buffer) for buffer in instruction.buffers]
            found = [device.memory.read(buffer) for buffer in same.buffers]
            if allowed.products:  # else every bit must be the reference's
                count = len(instruction.inputs)
                expected[count:] = exact(instruction, given, expected[count:])
            worst = max(map(distance, expected, found))
            rounded = instruction.macs or any(buffer.dtype == NARROW for buffer in same.outputs)
            yield Difference(instruction, worst, allowed.products if rounded else allowed.others)
            for buffer, old, untouched in zip(instruction.outputs, before, poison, strict=True):
                made = reference.memory.read(buffer)
                same_as_poison = (made == untouched) | ((made != made) & (untouched != untouched))
                reference.memory.write(buffer, np.where(same_as_poison, old, made))


def as_held(values: np.ndarray, buffer: Buffer) -> np.ndarray:
    """Numbers as a device's buffer holds them: rounded for a bfloat16, so that both start from the same."""
    return widen_bf16(narrow_bf16(values)) if buffer.dtype == NARROW else values


def poison_for(output: Buffer, before: np.ndarray) -> np.ndarray:
    """An output before its instruction: nothing that could be taken for a result.  Finite for a state, which kernels may read."""
    if output.root.role == "state":
        return before + 1
    return np.full_like(before, np.nan if before.dtype.kind == "f" else np.iinfo(before.dtype).max)


def distance(expected: np.ndarray, found: np.ndarray) -> float:
    """The largest difference as a share of the largest number; infinite where one is not finite and the other is."""
    if expected.dtype.kind != "f":
        return 0.0 if np.array_equal(expected, found) else float("inf")
    if not np.array_equal(np.isfinite(expected), np.isfinite(found)):
        return float("inf")
    good = np.isfinite(expected)
    if not good.any():
        return 0.0
    apart = np.abs(expected[good].astype(np.float64) - found[good].astype(np.float64)).max()
    return float(apart / max(np.abs(expected[good]).max(), 1e-30)) if apart else 0.0


def noise(executable: Executable) -> dict[str, np.ndarray]:
    """Made-up images and labels for a net's Input layers."""
    rng = np.random.default_rng(1)
    fed = {}
    for name in executable.inputs:
        blob = executable.net.blobs[name]
        fed[name] = noise_for(blob, blob.shape, rng)
    return fed


def noise_for(blob: Blob, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Made-up numbers: 0 and 1 where they are labels, or may be."""
    readers = (reader for reader in blob.consumers if reader.bottoms[reader.label_bottom :][:1] == (blob,))
    classes = [count for reader in readers if (count := reader.label_classes)]
    if len(shape) == 1 or classes:
        return rng.integers(0, min(2, *classes) if classes else 2, shape)
    return rng.standard_normal(shape, dtype=np.float32)


def write_noise(executable: Executable) -> None:
    """Made-up numbers for everything that the host writes before a run, so that kernels can be timed without data."""
    rng = np.random.default_rng(2)
    memory, program = executable.memory, executable.program
    for blob in program.net.inputs:
        if blob in program.blobs:
            memory.write(program.blobs[blob], noise_for(blob, program.blobs[blob].shape, rng))
    for source in program.sources:
        for field, buffer in source.fields.items():
            if field == "images":
                memory.write(buffer, rng.integers(0, 256, buffer.shape, dtype=np.uint8))
