"""What instructions cost: bytes moved to and from memory and floating point operations, of our kernels as they are written.

A kernel moves each number that it reads or writes once; what it reads again, or has just written, comes from a cache.  Of a
convolution's windows every byte counts: they are written to memory by one kernel and read by the product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from runtime.ir.program import ITEM_BYTES, Instruction
from runtime.kernels.cuda.registry import CUDA_KERNELS, Gemm, Launch, Matrix, Step, plan
from runtime.kernels.operand import Operand, operands_of
from runtime.kernels.rooms import load_rooms
from runtime.machine.limits import Limits
from runtime.ops.elementwise.expression import FORMULAS, expression
from runtime.ops.update.table import ROWS


@dataclass(frozen=True)
class Cost:
    """bytes: moved.  flops: of elementwise arithmetic.  products: floating point operations of matrix products."""

    bytes: float = 0
    flops: float = 0
    products: float = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.bytes + other.bytes, self.flops + other.flops, self.products + other.products)

    def seconds(self, limits: Limits, math: str = "fp32") -> float:
        """The floor: the longer of moving the bytes and of computing."""
        return max(self.bytes / limits.bandwidth, self.flops / limits.fp32 + self.products / limits.products(math))


def total(costs: Iterable[Cost]) -> Cost:
    """The sum."""
    return sum(costs, Cost())


def launches(instruction: Instruction, workspace: int) -> list[Cost]:
    """The cost of each kernel launch and matrix product that carries out an instruction on a card."""
    load_rooms("cuda")
    if instruction.kernel not in CUDA_KERNELS:
        return [plain(instruction)]
    operands = operands_of(instruction)
    launched = plan(instruction.kernel, operands, instruction.constants, workspace).steps
    return [product(one) if isinstance(one, Gemm) else launch(instruction, operands, one) for one in launched]


def plain(instruction: Instruction) -> Cost:
    """An instruction as one piece of work that moves only what it reads and writes; its products are those of the card's plan."""
    load_rooms("cuda")
    operands = operands_of(instruction)
    gemms = [one for one in _steps(instruction, operands) if isinstance(one, Gemm)]
    return Cost(_moved(instruction, operands), _flops(instruction, operands), sum(product(gemm).products for gemm in gemms))


def _steps(instruction: Instruction, operands: Sequence[Operand]) -> Sequence[Step]:
    return plan(instruction.kernel, operands, instruction.constants).steps if instruction.kernel in CUDA_KERNELS else ()


def product(gemm: Gemm) -> Cost:
    """A matrix product: its factors read, its result written, and read before if it adds to it."""
    a, b = _matrix(gemm.a, gemm.m * gemm.k, gemm.batch), _matrix(gemm.b, gemm.k * gemm.n, gemm.batch)
    c = gemm.m * gemm.n * gemm.batch * (2 if gemm.accumulate else 1)
    return Cost(bytes=4 * (a + b + c), products=2 * gemm.m * gemm.n * gemm.k * gemm.batch)


def _matrix(matrix: Matrix, size: int, batch: int) -> int:
    """Floats of a batch of matrices, which may be the same one again and again."""
    return size * (batch if matrix.stride else 1)


def launch(instruction: Instruction, operands: Sequence[Operand], one: Launch) -> Cost:
    """One kernel launch of an instruction's plan: its own part of the work, or all of the instruction's."""
    return Cost(*one.work) if one.work else Cost(_moved(instruction, operands), _flops(instruction, operands))


def _bytes(operand: Operand) -> int:
    return operand.size * ITEM_BYTES[operand.dtype]


# Instructions that do not move each of their arrays once: bytes from constants and operands.
_MOVED: dict[str, Callable[[Any, Sequence[Operand]], float]] = {
    "accumulate": lambda c, o: 4 * (3 * o[-1].size + 1),
    "remember": lambda c, o: _bytes(o[0]) + _bytes(o[1]) + 8 * o[2].shape[1],
    "join_columns": lambda c, o: 2 * _bytes(o[0]),
    "take_columns": lambda c, o: 2 * _bytes(o[-1]),
    "take_images": lambda c, o: _bytes(o[1]) + 2 * _bytes(o[-1]),
    "copy_box": lambda c, o: 4 * _in_box(c["box"]),
    "constant": lambda c, o: 2 * _bytes(o[-1]),  # its numbers lie in memory too
    "softmax_loss": lambda c, o: 4 * (2 * o[1].size + 2),
    "likelihood_terms": lambda c, o: 2 * _bytes(o[1]) + _bytes(o[-1]),
    "image_transform": lambda c, o: _crops(*o),
    "image_transform_shifted": lambda c, o: _crops(*o),
}


def _in_box(box: Any) -> int:
    """The elements that a box takes of both arrays; along an axis without a stride they are the same ones again."""
    axes = zip(box.extents, box.x_strides, box.y_strides, strict=True)
    read, written = zip(*((extent if x else 1, extent if y else 1) for extent, x, y in axes), strict=True)
    return prod(read) + prod(written)


def _crops(images: Operand, *others: Operand) -> float:
    """The images' crops, the mean of the whole image, and the rest."""
    return others[-1].size + 4 * prod(images.shape[1:]) + sum(map(_bytes, others))


def _moved(instruction: Instruction, operands: Sequence[Operand]) -> float:
    if instruction.kernel in _UPDATES:
        written = 1 + len(_UPDATES[instruction.kernel].states)
        return sum(map(_bytes, operands)) + written * _bytes(operands[0])
    if instruction.kernel in _MOVED:
        return _MOVED[instruction.kernel](instruction.constants, operands)
    return sum(map(_bytes, operands))


def _window(constants: Any) -> int:
    return prod(constants["kernel"])


# Floating point operations for each element of the first array (of the last where that is the result that counts).
_FLOPS: dict[str, Callable[[Any, Sequence[Operand]], float]] = {
    "lrn_forward": lambda c, o: (2 * c["size"] + 6) * o[0].size,
    "lrn_backward": lambda c, o: (3 * c["size"] + 12) * o[0].size,
    "lrn_within_forward": lambda c, o: (2 * c["size"] ** 2 + 6) * o[0].size,
    "lrn_within_backward": lambda c, o: (2 * c["size"] ** 2 + 8) * o[0].size,
    "pool_max_forward": lambda c, o: _window(c) * o[1].size,
    "pool_max_backward": lambda c, o: _window(c) * o[0].size,
    "pool_ave_forward": lambda c, o: _window(c) * o[1].size,
    "pool_ave_backward": lambda c, o: _window(c) * o[0].size,
    "scale_add_rows": lambda c, o: 2 * o[0].size,
    "product_terms": lambda c, o: 3 * o[0].size,
    "product_columns": lambda c, o: 2 * o[0].size,
    "prelu_forward": lambda c, o: 2 * o[0].size,
    "prelu_backward": lambda c, o: 2 * o[0].size,
    "channel_moments": lambda c, o: 5 * o[0].size,
    "normalize_channels": lambda c, o: 2 * o[0].size,
    "normalize_channels_backward": lambda c, o: 4 * o[0].size,
    "centre_columns": lambda c, o: 2 * o[0].size,
    "standardize_columns": lambda c, o: 6 * o[0].size,
    "standardize_columns_backward": lambda c, o: 7 * o[0].size,
    "softmax_forward": lambda c, o: 12 * o[0].size,
    "softmax_backward": lambda c, o: 4 * o[0].size,
    "softmax_loss_backward": lambda c, o: 2 * o[0].size,
    "image_transform": lambda c, o: 2 * o[-1].size,
    "image_transform_shifted": lambda c, o: 3 * o[-1].size,
    "copy": lambda c, o: 0,
    "fill": lambda c, o: 0,
    "constant": lambda c, o: 0,
    "take_images": lambda c, o: 0,
    "copy_box": lambda c, o: 0,
    "join_columns": lambda c, o: 0,
    "take_columns": lambda c, o: 0,
    "rebatch": lambda c, o: 0,
    "random_fill": lambda c, o: 0,
    "remember": lambda c, o: o[0].size,
}


_UPDATES = {row.kernel: row for row in ROWS.values()}
DECAY = 4  # of a scaled gradient, weight decay and the weight's change


def _flops(instruction: Instruction, operands: Sequence[Operand]) -> float:
    if instruction.kernel in _UPDATES:
        return (DECAY + _UPDATES[instruction.kernel].expression.flops) * operands[0].size
    if instruction.kernel in FORMULAS:
        return expression(instruction.kernel).flops * operands[0].size
    if instruction.kernel in _FLOPS:
        return _FLOPS[instruction.kernel](instruction.constants, operands)
    return max(operand.size for operand in operands) if not instruction.macs else 0
