"""The steps of tools/card.sh, each of which adds what it finds to FOLDER/card.json:

    python tools/card_steps.py [--stand-in] FOLDER STEP [--math M] [--conv C] [--no-fuse] [--shared]

--stand-in runs them on the tests' stand-in for CuPy, with small nets.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import card_kernels
import card_results
import card_torch
from alexnet_text import alexnet_fed_by

from netdef.language.diagnostics import NetdefError
from runtime.kernels.cuda.options import CONVS, MATHS, CudaOptions

DEVICE = "gpu:0"


@dataclass(frozen=True)
class Task:
    """What a step is given.

    Parameters
    ----------
    net, batch, rounds: the net that is measured, and how often.
    few: kernels are compared on a few cases only.
    warm_up: seconds that a net runs before it is timed.
    """

    folder: Path
    step: str
    math: str = "3xtf32"
    conv: str = "tiles"
    shared: bool = False
    fuse: bool = True
    net: str = "alexnet"
    batch: int = 128
    rounds: int = 7
    few: bool = False
    warm_up: float = 1.0

    @property
    def cuda(self) -> CudaOptions:
        return CudaOptions(math=self.math, conv=self.conv, fuse=self.fuse)

    def found(self, **results: Any) -> None:
        """Add to the results of this step."""
        card_results.merge(self.folder, self.step, results)


def versions(task: Task) -> None:
    """Of everything, where cuBLAS lies, and the card's clocks."""
    from netdef.cli.selftest import machine
    from runtime.machine.cuda.cards import load_cupy
    from runtime.machine.cuda.gemm import load_library

    task.found(**machine(DEVICE, task.cuda))
    load_library(load_cupy())
    maps = Path("/proc/self/maps").read_text().splitlines()
    task.found(cublas=next((line.split()[-1] for line in maps if "libcublas.so" in line), None), clocks=card_kernels.clocks())


def selftest(task: Task) -> None:
    """`netdef selftest`, its file included."""
    from netdef.cli import selftest as command

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "selftest.json")
        try:
            command.selftest(command.Options(devices=DEVICE, math=task.math, out=str(out)))
        finally:
            if out.exists():
                task.found(**json.loads(out.read_text()))


def bits(task: Task) -> None:
    """Weights after 5 iterations: bit for bit on as many shares; of one share and two, whose sums differ in order, to rounding."""
    from runtime.machine.cuda.cards import target_of
    from runtime.selftest.agreement import Allowed
    from runtime.selftest.training import Run, drift, train

    def run(devices: str = DEVICE, **options: Any) -> Run:
        return train(task.net, min(task.batch, 32), 2 if task.few else 5, devices, cuda=replace(task.cuda, **options))

    def same(one: Run, other: Run) -> bool:
        return [array.tobytes() for array in one.after] == [array.tobytes() for array in other.after]

    both = f"{DEVICE},{DEVICE}"
    one, two = run(), run(both)
    equal = {
        "twice": same(one, run()),
        "with and without graphs": same(one, run(graphs=False)),
        "two shares twice": same(two, run(both)),
        "two shares with and without graphs": same(two, run(both, graphs=False)),
    }
    apart = drift(one, two, Allowed.of(target_of(DEVICE, task.cuda).math).training)
    found = {"weights": apart.weights, "loss": apart.loss, "allowed": apart.allowed, "agrees": apart.agrees}
    task.found(equal=equal, shares=found)


def speed(task: Task) -> None:
    """Images a second, and the time of each instruction."""
    from netdef.loading import load
    from runtime.machine.compile import compile
    from runtime.machine.yardstick import measured_limits
    from runtime.selftest.agreement import write_noise
    from runtime.selftest.report import rates_json
    from runtime.selftest.speed import kernel_rates

    for phase, name in (("train", "training"), ("test", "forward")):
        how = {"keep": "outputs", "update": _update()} if phase == "train" else {"backward": False}
        net, free = load(task.net, phase=phase, batch_size=task.batch), card_kernels.free_bytes()
        with compile(net, DEVICE, losses_only=True, cuda=task.cuda, **how) as executable:
            write_noise(executable)
            lists = ("forward", "backward", "update") if phase == "train" else ("forward",)
            seconds = list(timed(executable, lists, task))
            device: Any = executable.device
            task.found(
                **{name: task.batch / median(seconds), f"{name}_seconds": seconds}, graphs_ran=device.queue.graphs.captured > 0
            )
            if phase == "train":
                taken = free - card_kernels.free_bytes()  # with the card's own for code, cuBLAS and graphs, which RESERVE is for
                task.found(memory_taken=taken, memory_planned=card_kernels.planned_bytes(executable))
                limits = measured_limits(device)
                rates = kernel_rates(executable, limits, task.rounds, device.target)
                task.found(kernels=rates_json(rates), copy_bytes=limits.bandwidth, product_flops=limits.fp32)


def _update() -> Any:
    from netdef.schema import message_class
    from runtime.solver.update import updates

    return updates(message_class("SolverParameter")(momentum=0.9, weight_decay=0.0005))


def timed(executable: Any, lists: tuple[str, ...], task: Task) -> Iterator[float]:
    """Seconds of an iteration, again and again, after a warm-up."""
    from runtime.selftest.speed import iteration_timer

    run, begun = iteration_timer(executable, lists), perf_counter()
    while perf_counter() - begun < task.warm_up:
        run(1)
    for _ in range(task.rounds):
        yield run(3) / 3


def once(task: Task) -> None:
    """Two iterations kernel by kernel, for a profiler."""
    from netdef.loading import load
    from runtime.machine.compile import compile
    from runtime.selftest.agreement import write_noise
    from runtime.selftest.speed import iteration_timer

    net, cuda = load(task.net, phase="train", batch_size=task.batch), replace(task.cuda, graphs=False)
    with compile(net, DEVICE, keep="outputs", losses_only=True, update=_update(), cuda=cuda) as executable:
        write_noise(executable)
        iteration_timer(executable, ("forward", "backward", "update"))


SOLVER = 'base_lr: 0.002 lr_policy: "fixed" momentum: 0.9 weight_decay: 0.0005 max_iter: 1000000 random_seed: 1'


def train(task: Task) -> None:
    """A run on the photographs; its loss falls."""
    from runtime import Solver

    with (
        tempfile.TemporaryDirectory() as folder,
        closing(Solver(SOLVER, task.net, DEVICE, batch_size=task.batch, out=folder)) as solver,
    ):
        losses: list[float] = []
        for iteration in range(1, 4 if task.few else 201):
            losses.append(solver.iterate().loss)
            if iteration % 20 == 0 or task.few:
                task.found(iterations=iteration, first_loss=losses[0], last_loss=sum(losses[-10:]) / len(losses[-10:]))


def input(task: Task) -> None:
    """Images a second of training, from the photographs' files and from made-up numbers."""
    from runtime import Solver

    iterations = 2 if task.few else 30
    made = task.net if task.few else alexnet_fed_by("DummyData", task.batch)
    for name, net, size in (("images", task.net, task.batch), ("made", made, None)):
        with tempfile.TemporaryDirectory() as folder, closing(Solver(SOLVER, net, DEVICE, batch_size=size, out=folder)) as solver:
            begun = 0.0
            for iteration in range(2 * iterations):  # the first half fills the ring and compiles
                if iteration == iterations:
                    begun = perf_counter()
                solver.iterate()
            task.found(**{name: solver.batch_size * iterations / (perf_counter() - begun)})


@contextmanager
def closing(solver: Any) -> Iterator[Any]:
    try:
        yield solver
    finally:
        solver.close()


def torch(task: Task) -> None:
    """PyTorch's rates by its settings, as long as the time lasts."""
    rates: dict[str, Any] = {}
    for name, row in card_torch.rates(task.batch, task.rounds, task.warm_up):
        rates[name] = row
        task.found(rates=rates)
    task.found(rates=rates)


STEPS: dict[str, Callable[[Task], None]] = {
    "versions": versions, "selftest": selftest, "cases": card_kernels.cases, "few": card_kernels.few, "bits": bits, "speed": speed,
    "products": card_kernels.products, "memory": card_kernels.memory, "torch": torch, "once": once, "train": train, "input": input,
}  # fmt: skip
NAMED = ("selftest", "speed")  # whose results carry the mode of their matrix products


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("--math", choices=MATHS, default="3xtf32")
    parser.add_argument("--conv", choices=CONVS, default="tiles")
    parser.add_argument("--no-fuse", action="store_true", help="gradients apart")
    parser.add_argument("--shared", action="store_true", help="only kernels with shared memory")
    parser.add_argument("--stand-in", action="store_true")
    given = parser.parse_args(arguments)
    name = given.step
    if given.step in NAMED:
        name += f"-{given.math}" + (f"-{given.conv}" if given.conv != "tiles" else "") + "-apart" * given.no_fuse
    if given.step == "few":
        name = "racecheck" if given.shared else "memcheck"
    task = Task(given.folder, name, given.math, given.conv, given.shared, not given.no_fuse)
    try:
        run(given.step, task, given.stand_in)
    except NetdefError as error:
        task.found(error=str(error))
        print(error, file=sys.stderr)
        raise SystemExit(2) from None


def run(step: str, task: Task, on_stand_in: bool) -> None:
    """One step, on the card or the stand-in."""
    if on_stand_in:
        from card_stand_in import small, stand_in

        with stand_in():
            STEPS[step](small(task))
    else:
        STEPS[step](task)


if __name__ == "__main__":
    main()
