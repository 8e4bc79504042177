"""How many blocks of a kernel a multiprocessor runs at once, by the registers and the shared memory that the compiler gave it.

registers.json has these of every kernel, as tools/make_registers.py finds them: those of the form that takes most, and of forms
that run in more blocks at once their own; and the version of the NVRTC that they are of.
"""

from __future__ import annotations

import json
from functools import cache
from math import prod
from pathlib import Path

from runtime.kernels.cuda.options import MULTIPROCESSORS, Target
from runtime.kernels.cuda.registry import Launch

TABLE = Path(__file__).with_name("registers.json")
REGISTERS, SHARED, MOST_BLOCKS = 65536, 64 << 10, 32  # of a multiprocessor; shared memory is what the least cards have
WARP, UNIT = 32, 8  # threads that are given registers together, in units of so many to a thread
COMPILER = "nvrtc"  # the table's name of what is no kernel: the compiler's version
UNKNOWN = (128, 0)  # what tests allow a kernel at most


@cache
def resources() -> dict[str, tuple[int, int]]:
    """Registers of a thread and bytes of shared memory of a block, by a kernel's name, or its name with its template arguments."""
    rows = json.loads(TABLE.read_text()).items()
    return {name: (registers, shared) for name, (registers, shared) in rows if name != COMPILER}


def compiler() -> tuple[int, int]:
    """The version of the NVRTC that the table was made with: (12, 9)."""
    major, minor = json.loads(TABLE.read_text())[COMPILER]
    return major, minor


def blocks_at_once(function: str, threads: int, target: Target) -> int:
    """Blocks of so many threads that a multiprocessor runs at once."""
    known = resources()
    registers, shared = known.get(function) or known.get(function.split("<")[0], UNKNOWN)
    return blocks_of(registers, shared, threads, target.threads)


def blocks_of(registers: int, shared: int, threads: int, most_threads: int) -> int:
    """The same of a kernel with these resources."""
    whole = -(-threads // WARP) * WARP
    by_registers = REGISTERS // (-(-max(registers, 1) // UNIT) * UNIT * whole)
    by_memory = SHARED // shared if shared else MOST_BLOCKS
    return max(1, min(MOST_BLOCKS, most_threads // whole, by_registers, by_memory))


def filled(launch: Launch, target: Target) -> float:
    """The share of whole waves that a launch's blocks are; a wave is what a card runs at once, and takes as long if it is not full.

    1 where no card is known.
    """
    at_once = (target.multiprocessors or MULTIPROCESSORS) * blocks_at_once(launch.function, prod(launch.block), target)
    grid = prod(launch.grid)
    return grid / (-(-grid // at_once) * at_once)
