"""What instructions cost: bytes moved to and from memory and floating point operations, of our kernels as they are written.

A kernel moves each number that it reads or writes once; what it reads again, or has just written, comes from a cache.  Of a
convolution's windows every byte counts: they are written to memory by one kernel and read by the product.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from runtime.ir.program import Instruction
from runtime.kernels.cpu.registry import work_of
from runtime.kernels.cuda.occupancy import filled
from runtime.kernels.cuda.options import Target
from runtime.kernels.cuda.registry import CUDA_KERNELS, AnyLaunch, Gemm, Launch, Matrix, plan
from runtime.kernels.operand import Operand, operands_of
from runtime.kernels.rooms import load_rooms
from runtime.machine.limits import Limits


@dataclass(frozen=True)
class Cost:
    """bytes: moved.  flops: of elementwise arithmetic.  products: floating point operations of matrix products.

    single: how many of the products CUDA cores compute in float32, whatever the mode.
    filled: of a launch, the share of whole waves of blocks that it has (occupancy.py); 1 of cuBLAS, whose are not known.
    """

    bytes: float = 0
    flops: float = 0
    products: float = 0
    single: float = 0
    filled: float = 1

    def __add__(self, other: Cost) -> Cost:
        sums = self.bytes + other.bytes, self.flops + other.flops, self.products + other.products
        return Cost(*sums, self.single + other.single)

    def seconds(self, limits: Limits, math: str = "fp32") -> float:
        """The floor: the longer of moving the bytes and of computing."""
        products = (self.products - self.single) / limits.products(math)
        return max(self.bytes / limits.bandwidth, (self.flops + self.single) / limits.fp32 + products)

    def in_waves(self, limits: Limits, math: str = "fp32") -> float:
        """Of a launch, the floor where its last wave of blocks takes as long as a full one."""
        return self.seconds(limits, math) / self.filled


def total(costs: Iterable[Cost]) -> Cost:
    """The sum."""
    return sum(costs, Cost())


def launches(instruction: Instruction, target: Target) -> list[Cost]:
    """The cost of each kernel launch and matrix product that carries out an instruction on a card."""
    load_rooms("cuda")
    if instruction.kernel not in CUDA_KERNELS:
        return [plain(instruction)]
    operands = operands_of(instruction)
    launched = plan(instruction.kernel, operands, instruction.constants, target).launches
    return [product(one, target.math) if isinstance(one, Gemm) else launch(instruction, operands, one, target) for one in launched]


def plain(instruction: Instruction) -> Cost:
    """An instruction as one piece of work that moves only what it reads and writes; its products are those of the card's plan."""
    load_rooms("cuda")
    operands = operands_of(instruction)
    made = [product(one).products if isinstance(one, Gemm) else one.products for one in _launched(instruction, operands)]
    return Cost(*work_of(instruction.kernel, operands, instruction.constants), sum(made))


def _launched(instruction: Instruction, operands: Sequence[Operand]) -> Sequence[AnyLaunch]:
    return plan(instruction.kernel, operands, instruction.constants).launches if instruction.kernel in CUDA_KERNELS else ()


def product(gemm: Gemm, math: str = "fp32") -> Cost:
    """A matrix product by cuBLAS, which knows no 3xtf32: its factors read, its result written, and read before if it adds to it."""
    a, b = _matrix(gemm.a, gemm.m * gemm.k, gemm.batch), _matrix(gemm.b, gemm.k * gemm.n, gemm.batch)
    c = gemm.m * gemm.n * gemm.batch * (2 if gemm.accumulate else 1)
    products = 2 * gemm.m * gemm.n * gemm.k * gemm.batch
    return Cost(bytes=4 * (a + b + c), products=products, single=products if math == "3xtf32" else 0)


def _matrix(matrix: Matrix, size: int, batch: int) -> int:
    """Floats of a batch of matrices, which may be the same one again and again."""
    return size * (batch if matrix.stride else 1)


def launch(instruction: Instruction, operands: Sequence[Operand], one: Launch, target: Target) -> Cost:
    """One kernel launch of an instruction's plan: its own work, or all of the instruction's."""
    moved, flops = one.work or work_of(instruction.kernel, operands, instruction.constants)
    return Cost(moved, flops, one.products, filled=filled(one, target))
