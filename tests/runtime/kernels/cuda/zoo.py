"""What the zoo's networks launch: every plan of every program of models/*.net, training and testing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import netdef
from runtime.compiler import compile_program
from runtime.kernels.cuda.registry import CUDA_KERNELS, Launch, Operand, load_plans, plan
from runtime.program import Buffer, Program
from runtime.solver.update import sgd

MODELS = Path(netdef.__file__).parents[1] / "models"


def programs(batch: int | None) -> Iterator[Program]:
    """Each model in each phase; training with its update list, clipped gradients and sub-batches included."""
    solver = netdef.load_solver(MODELS / "solver.txt").message
    solver.clip_gradients, solver.iter_size = 10, 2
    for path in sorted(MODELS.glob("*.net")):
        train = netdef.load(path, phase="train", batch_size=batch)
        yield compile_program(train, losses_only=True, update=sgd(solver))
        yield compile_program(netdef.load(path, phase="test", batch_size=batch), backward=False)


def operand(buffer: Buffer) -> Operand:
    """As it lies in its arena."""
    return Operand(buffer.shape, buffer.dtype, buffer.byte_offset)


def launches(program: Program) -> Iterator[Launch]:
    """Every launch of a program."""
    load_plans()
    for step in program.instructions:
        if step.kernel in CUDA_KERNELS:
            made = plan(step.kernel, [operand(buffer) for buffer in step.buffers], step.constants)
            yield from (part for part in made.steps if isinstance(part, Launch))


def functions(batch: int | None = None) -> dict[str, list[str]]:
    """The functions that the zoo needs at the models' own batch sizes, or at another one; by file."""
    needed: dict[str, set[str]] = {}
    for program in programs(batch):
        for launch in launches(program):
            needed.setdefault(launch.file, set()).add(launch.function)
    return {file: sorted(names) for file, names in sorted(needed.items())}
