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
BATCHES = (None, 1)  # the model's own, and one whose rows are no whole packs


def programs(models: Path = MODELS) -> Iterator[tuple[str, Program]]:
    """(name, program) of each model in each phase; training with its update list, clipped gradients and sub-batches included."""
    solver = netdef.load_solver(models / "solver.txt").message
    solver.clip_gradients, solver.iter_size = 10, 2
    for path in sorted(models.glob("*.net")):
        for batch in BATCHES:
            train = netdef.load(path, phase="train", batch_size=batch)
            yield f"{path.stem} train {batch}", compile_program(train, losses_only=True, update=sgd(solver))
            test = netdef.load(path, phase="test", batch_size=batch)
            yield f"{path.stem} test {batch}", compile_program(test, backward=False)


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


def functions(models: Path = MODELS) -> dict[str, list[str]]:
    """The functions that the zoo needs, by file."""
    needed: dict[str, set[str]] = {}
    for _, program in programs(models):
        for launch in launches(program):
            needed.setdefault(launch.file, set()).add(launch.function)
    return {file: sorted(names) for file, names in sorted(needed.items())}
