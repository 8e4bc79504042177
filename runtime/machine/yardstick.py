"""What a device does at most, measured on the spot: the rate of a large copy and of a large matrix product."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from runtime.ir.program import Buffer, Instruction
from runtime.machine.device import BoundInstruction, Device
from runtime.machine.limits import Limits

COPY, CARD_COPY = 64 << 20, 256 << 20  # bytes: more than any cache holds, of a processor and of a card
PRODUCT, CARD_PRODUCT = 2048, 4096  # rows, columns and depth
ROUNDS = 5


@dataclass(frozen=True)
class Trial:
    """One instruction bound to a device, with arrays of its own."""

    instruction: Instruction
    bound: BoundInstruction
    arrays: dict[Buffer, Any]


def prepare(device: Device, kernel: str, inputs: Sequence[Buffer], outputs: Sequence[Buffer], **constants: Any) -> Trial:
    """Bind an instruction to fresh memory."""
    instruction = Instruction(kernel, tuple(inputs), tuple(outputs), constants)
    arrays = {b: device.array(device.allocate(b.bytes), 0, b.shape, b.dtype) for b in dict.fromkeys(instruction.buffers)}
    return Trial(instruction, device.bind(instruction, arrays.__getitem__), arrays)


def fastest(device: Device, bound: BoundInstruction, rounds: int = ROUNDS) -> float:
    """The shortest of some runs, in seconds; the first, which may compile, does not count."""
    return min(device.times([bound] * (rounds + 1))[1:])


def measured_limits(device: Device, math: str = "fp32") -> Limits:
    """A device's copy rate and its rate of matrix products, by cuBLAS on a card; with "3xtf32" that of our tiles too."""
    size, product = (COPY, PRODUCT) if device.threads else (CARD_COPY, CARD_PRODUCT)
    numbers = np.random.default_rng(0).standard_normal(product * product, dtype=np.float32)
    x, y = (Buffer(name, (size // 4,), "input") for name in "xy")
    copy = prepare(device, "copy", [x], [y])
    for buffer in (x, y):  # memory that was never written may not be there yet
        device.write(copy.arrays[buffer], np.resize(numbers, buffer.shape))
    bandwidth = 2 * size / fastest(device, copy.bound)
    a, w, c = (Buffer(name, shape, "input") for name, shape in zip("awc", _shapes(product), strict=True))
    multiply = prepare(device, "inner_product", [a, w, w], [c], transpose=False, has_bias=False, relu=False, slope=0.0)
    for buffer in (a, w):
        device.write(multiply.arrays[buffer], numbers.reshape(buffer.shape))
    rate = 2 * product**3 / fastest(device, multiply.bound)
    tf32 = None
    if math == "3xtf32":
        blob, weights = (product, 1, 1, product), (product, product, 1, 1)
        x, w, y = (Buffer(name, shape, "input") for name, shape in zip("xwy", (blob, weights, blob), strict=True))
        window = {"kernel": (1, 1), "stride": (1, 1), "pad": (0, 0), "dilation": (1, 1), "group": 1}
        tiles = prepare(device, "conv2d", [x, w, w], [y], **window, has_bias=False, relu=False, slope=0.0)
        for buffer in (x, w):
            device.write(tiles.arrays[buffer], numbers.reshape(buffer.shape))
        tf32 = 3 * 2 * product**3 / fastest(device, tiles.bound)  # products of TF32, three for each of float32
    return Limits(device.name, bandwidth, rate, tf32, "measured now")


def _shapes(size: int) -> tuple[tuple[int, ...], ...]:
    return (1, size, size), (size, size), (1, size, size)
