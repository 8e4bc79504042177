"""What the zoo's networks launch: every plan of the programs of models/*.net, training and testing, on one card or two."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import netdef
from runtime.compiler.pipeline import compile_program
from runtime.ir.program import Program
from runtime.kernels.cuda.registry import CUDA_KERNELS, Launch, plan
from runtime.kernels.operand import operands_of
from runtime.kernels.rooms import load_rooms
from runtime.solver.remember import remember_results
from runtime.solver.update import updates
from tests.built import built_json, digest_of_sources

MODELS = Path(netdef.__file__).parents[1] / "models"

TIME_FIRST = {"lrcn"}  # whose blobs do not all have the images first
# Others have the same layers: they need no function that the rest does not.
ALIKE = {
    "alexnet_one_tower", "alexnet_six_conv", "alexnet_tf", "bvlc_alexnet", "bvlc_reference_caffenet", "caffenet_norm_first",
    "resnet152", "vgg19",
}  # fmt: skip
DIVIDED = {"alexnet", "cifar10_relu", "lenet", "lrcn", "mobilenet"}  # over two cards too, with all shares that the others come to
ONE: tuple[tuple[int, str | None], ...] = ((1, None),)
ONE_OR_TWO = (*ONE, (2, "groups"), (2, "batch"), (2, "hybrid"))


def programs(batch: int | None, cards: tuple[tuple[int, str | None], ...]) -> Iterator[Program]:
    """Each model in each phase, but for those ALIKE; training with its update list, clipped gradients and sub-batches included.

    Parameters
    ----------
    cards: how many, and how the net is divided over them.
    """
    solver = netdef.load_solver(MODELS / "solver.txt").message
    solver.clip_gradients, solver.iter_size = 10, 2
    for path in sorted(path for path in MODELS.glob("*.net") if path.stem not in ALIKE):
        size = None if path.stem in TIME_FIRST else batch
        train, test = (netdef.load(path, phase=phase, batch_size=size) for phase in ("train", "test"))
        for devices, split in cards[: None if path.stem in DIVIDED else 1]:
            options = {"devices": devices, "split": split, "after": "elide"}  # arrays lie in their buffers as they will in memory
            yield compile_program(train, losses_only=True, update=updates(solver), **options)
            yield compile_program(test, backward=False, update=remember_results, **options)


def launches(program: Program) -> Iterator[Launch]:
    """Every launch of a program."""
    load_rooms("cuda")
    for one in program.instructions:
        if one.kernel in CUDA_KERNELS:
            made = plan(one.kernel, operands_of(one), one.constants)
            yield from (part for part in made.launches if isinstance(part, Launch))


def functions(batch: int | None = None, cards: tuple[tuple[int, str | None], ...] = ONE_OR_TWO) -> dict[str, list[str]]:
    """The functions that the zoo needs at the models' own batch sizes, or at another one; by file.  Worked out once."""
    key = f"{digest_of_sources()} {Path(__file__).read_text()} {batch} {cards}"
    return built_json(key, lambda: functions_of_programs(programs(batch, cards)))


def functions_of_programs(compiled: Iterable[Program]) -> dict[str, list[str]]:
    """What programs launch, by file."""
    needed: dict[str, set[str]] = {}
    for program in compiled:
        for launch in launches(program):
            needed.setdefault(launch.file, set()).add(launch.function)
    return {file: sorted(names) for file, names in sorted(needed.items())}
