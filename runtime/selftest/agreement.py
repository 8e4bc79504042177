"""Whether a device's kernels agree with those of a reference: each instruction of a program on the same arrays on both.

The program runs on the reference; before each instruction, what it reads there is copied to the device, and after it, what both
made of that is compared.  So a kernel that is wrong shows as itself, and nothing is blamed on what came before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from runtime.ir.program import Buffer, Instruction
from runtime.machine.executable import Executable

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
        """Sums of thousands of products in another order; with tf32, of factors that are rounded to 10 bits.

        AlexNet's first weights changed by 1e-6 of themselves are 1e-3 of the way after ten iterations.
        """
        return Allowed(2e-5, 1e-5, 1e-2) if math == "fp32" else Allowed(2e-3, 1e-5, 0.5)


@dataclass(frozen=True)
class Difference:
    """How far an instruction's results are apart, as a share of the largest number among them, and how far they may be."""

    instruction: Instruction
    worst: float
    allowed: float

    @property
    def agrees(self) -> bool:
        return self.worst <= self.allowed


def compare(reference: Executable, device: Executable, allowed: Allowed, **inputs: Any) -> Iterator[Difference]:
    """Compare two executables of one program, instruction by instruction.

    Parameters
    ----------
    inputs: what Input layers are given, by blob name.
    """
    reference.run_forward(0, **inputs)  # loads data, sets the iteration's number and the inputs
    for name in LISTS:
        for (step, mine), (same, theirs) in zip(reference.bound(name), device.bound(name), strict=True):
            if step.kernel == "random_fill":  # the same function of the host on every device
                continue
            for buffer, other in zip(step.outputs, same.outputs, strict=True):
                device.memory.write(other, spoilt(step, reference.memory.read(buffer)))
            for buffer, other in zip(step.inputs, same.inputs, strict=True):  # which outputs in place of them are, too
                device.memory.write(other, reference.memory.read(buffer))
            reference.device.run([mine])
            device.device.run([theirs])
            pairs = [
                (reference.memory.read(buffer), device.memory.read(other))
                for buffer, other in zip(step.buffers, same.buffers, strict=True)
            ]
            worst = max(distance(*pair) for pair in pairs)
            yield Difference(step, worst, allowed.products if step.macs else allowed.others)


def spoilt(step: Instruction, values: np.ndarray) -> np.ndarray:
    """An output before the instruction: nothing that it could be mistaken for its result."""
    if step.kernel == "accumulate":  # adds to what is there
        return values
    rubbish = np.nan if values.dtype.kind == "f" else np.iinfo(values.dtype).max
    if step.kernel == "remember":  # the other rows are other runs' results
        return np.where(values == 0, values, rubbish)
    if step.kernel == "copy_box":  # the other elements are other instructions' results
        box = step.constants["box"]
        strides = [values.itemsize * stride for stride in box.y_strides]
        np.lib.stride_tricks.as_strided(values.reshape(-1)[box.y_offset :], box.extents, strides)[...] = rubbish
        return values
    if step.kernel == "join_columns":  # the other columns are other instructions' results
        first = step.constants["offset"]
        values[:, first : first + step.inputs[0].shape[1]] = rubbish
        return values
    return np.full_like(values, rubbish)


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
        shape = executable.net.blobs[name].shape
        fed[name] = rng.integers(0, 2, shape) if len(shape) == 1 else rng.standard_normal(shape, dtype=np.float32)
    return fed


def write_noise(executable: Executable) -> None:
    """Made-up numbers for everything that the host writes before a run, so that kernels can be timed without data."""
    rng = np.random.default_rng(2)
    memory, program = executable.memory, executable.program
    buffers: dict[Buffer, None] = {program.blobs[blob]: None for blob in program.net.inputs if blob in program.blobs}
    for buffer in buffers:
        labels = len(buffer.shape) == 1
        memory.write(buffer, rng.integers(0, 2, buffer.shape) if labels else rng.standard_normal(buffer.shape, dtype=np.float32))
    for source in program.sources:
        for field, buffer in source.fields.items():
            if field == "images":
                memory.write(buffer, rng.integers(0, 256, buffer.shape, dtype=np.uint8))
