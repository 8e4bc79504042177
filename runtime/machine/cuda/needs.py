"""What a program takes of a card's memory beyond its arenas.  No card is needed to know it."""

from __future__ import annotations

from dataclasses import replace

from netdef.language.diagnostics import NetdefError
from runtime.ir.program import Instruction, Program
from runtime.kernels.cuda.options import MB, CudaOptions, Target
from runtime.kernels.cuda.registry import CUDA_KERNELS, Plan, plan
from runtime.kernels.operand import operands_of
from runtime.kernels.rooms import load_rooms
from runtime.machine.cuda.bound import is_data, named, runs_on_host
from runtime.machine.cuda.transfers import ROUNDS, SMALL

RESERVE = 64 << 20  # bytes that CUDA takes as it goes on: the code of kernels, cuBLAS's too, and graphs
SHARE = 32  # of a small card's memory, one part in so many is enough for that


def workspace(program: Program, index: int, options: CudaOptions, target: Target | None = None) -> int:
    """Bytes that the matrices of convolutions take in turn on the `index`-th device; target: what is known of it.

    Raises
    ------
    NetdefError: --workspace is less than a layer needs: matrices of one output row, or a copy of its weights.
    """
    instructions, target = _planned(program, index), target or options.target()
    if options.workspace is not None:
        smallest = replace(target, workspace=0)
        each = ((_plan(instruction, smallest).workspace, instruction.layer) for instruction in instructions)
        least, layer = max(each, default=(0, ""))
        if least > options.workspace:
            raise NetdefError(
                f"--workspace {options.workspace // MB} is too small: layer '{layer}' takes {least / MB:.1f} MB at least",
                hint=f"--workspace {-(-least // MB)} is the least for this net and batch size",
            )
    return max((_plan(instruction, target).workspace for instruction in instructions), default=0)


def landing_bytes(program: Program, index: int) -> int:
    """Bytes of the buffers that data are uploaded to while the card computes."""
    load_rooms("cuda")
    from_host = (instruction for instruction in program.instructions if runs_on_host(instruction) and is_data(instruction))
    made = [buffer for instruction in from_host for buffer in instruction.outputs]
    large = sum(ROUNDS * buffer.bytes for buffer in made if buffer.device == index and buffer.bytes > SMALL)
    return batches_landing_bytes(program, index) + large


def batches_landing_bytes(program: Program, index: int) -> int:
    """Those of the buffers that batches of data sources are uploaded to."""
    data = {buffer for source in program.sources for buffer in source.fields.values()}
    return sum(ROUNDS * buffer.bytes for buffer in data if buffer.device == index)


def constants(program: Program, index: int, target: Target) -> int:
    """Bytes of constants that are arrays, such as a mean image."""
    instructions = [(instruction, named(_plan(instruction, target))) for instruction in _planned(program, index)]
    return sum(4 * instruction.constants[name].size for instruction, names in instructions for name in names)


def reserve(memory: int) -> int:
    """Bytes of a card with so many that programs leave free."""
    return min(RESERVE, memory // SHARE)


def _planned(program: Program, index: int) -> list[Instruction]:
    load_rooms("cuda")
    mine = (instruction for instruction in program.instructions if instruction.device == index)
    return [instruction for instruction in mine if instruction.kernel in CUDA_KERNELS]


def _plan(instruction: Instruction, target: Target) -> Plan:
    return plan(instruction.kernel, operands_of(instruction), instruction.constants, target)
