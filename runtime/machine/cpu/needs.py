"""What a program takes of the host's memory in addition to its arenas."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from runtime.ir.program import Instruction, Program
from runtime.kernels.cpu.registry import Plan, plan
from runtime.kernels.operand import operands_of


def planned(instruction: Instruction, threads: int = 1) -> Plan:
    """How the CPU carries out an instruction with so many threads."""
    if instruction.is_send or instruction.is_reduce:
        return Plan(())
    return plan(instruction.kernel, operands_of(instruction), instruction.constants, threads)


def workspace_bytes(programs: Sequence[Program], shares: Collection[int], threads: int) -> int:
    """Bytes of every thread's scratch, of the workspace that they share, and of what is kept between runs."""
    mine = (instruction for program in programs for instruction in program.instructions if instruction.device in shares)
    plans = [planned(instruction, threads) for instruction in mine]
    scratch = max((launch.scratch for made in plans for launch in made.launches), default=0)
    return 4 * threads * scratch + max((made.workspace for made in plans), default=0) + sum(made.kept for made in plans)
