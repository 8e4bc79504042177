"""How fast a device runs a network: each kernel against the device's own copy rate and matrix products, and images a second."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any

from netdef.loading import load
from netdef.schema import message_class
from runtime.ir.program import Instruction
from runtime.kernels.cuda.options import CudaOptions, Target
from runtime.machine.compile import compile
from runtime.machine.costs import Cost, launches, plain, total
from runtime.machine.cuda.cards import target_of
from runtime.machine.device import repeated
from runtime.machine.executable import Executable
from runtime.machine.limits import Limits
from runtime.machine.yardstick import measured_limits
from runtime.selftest.agreement import LISTS, write_noise
from runtime.solver.update import updates


@dataclass(frozen=True)
class Rate:
    """One instruction's speed.

    Attributes
    ----------
    bytes, operations: each second, and as a share of the device's copy rate and its rate of matrix products.
    """

    instruction: Instruction
    seconds: float
    cost: Cost
    limits: Limits

    @property
    def bytes(self) -> float:
        return self.cost.bytes / self.seconds

    @property
    def of_copy(self) -> float:
        return self.bytes / self.limits.bandwidth

    @property
    def operations(self) -> float:
        return self.cost.products / self.seconds

    @property
    def of_product(self) -> float:
        return self.operations / self.limits.fp32


@dataclass(frozen=True)
class Speed:
    """What was measured.  forward, training: images a second."""

    limits: Limits
    rates: list[Rate]
    forward: float
    training: float


def measure(net: str, batch: int, rounds: int, devices: str, threads: int | None = None, cuda: CudaOptions | None = None) -> Speed:
    """Measure a model on a device."""
    options: dict[str, Any] = {"threads": threads, "cuda": cuda}
    limits, rates, training = measure_training(net, batch, rounds, devices, **options)
    with compile(load(net, phase="test", batch_size=batch), devices, backward=False, **options) as executable:
        write_noise(executable)
        forward = batch / iteration_seconds(executable, LISTS[:1], rounds)
    return Speed(limits, rates, forward, training)


def measure_training(
    net: str, batch: int, rounds: int, devices: str, threads: int | None, cuda: CudaOptions | None
) -> tuple[Limits, list[Rate], float]:
    """The device's limits, each instruction's rate, and images a second in training."""
    train, update = load(net, phase="train", batch_size=batch), updates(message_class("SolverParameter")())
    with compile(train, devices, keep="outputs", losses_only=True, update=update, threads=threads, cuda=cuda) as executable:
        limits = measured_limits(executable.device)
        write_noise(executable)
        rates = kernel_rates(executable, limits, rounds, target_of(executable.device.name, cuda or CudaOptions()))
        return limits, rates, batch / iteration_seconds(executable, LISTS, rounds)


def kernel_rates(executable: Executable, limits: Limits, rounds: int, target: Target) -> list[Rate]:
    """Each instruction, in the order of the program, so that caches hold what they hold in training."""
    device, pairs = executable.device, [pair for name in LISTS for pair in executable.bound(name)]
    bound = [one for _, one in pairs]
    executable.times(bound)  # which compiles
    taken = [executable.times(bound) for _ in range(rounds)]
    costs = [plain(instruction) if device.threads else total(launches(instruction, target)) for instruction, _ in pairs]
    return [
        Rate(instruction, max(median(seconds), 1e-9), cost, limits)
        for (instruction, _), seconds, cost in zip(pairs, zip(*taken, strict=True), costs, strict=True)
    ]


def iteration_seconds(executable: Executable, lists: tuple[str, ...], rounds: int) -> float:
    """Seconds of an iteration, run as in training, without loading data."""
    return iteration_timer(executable, lists)(rounds) / rounds


def iteration_timer(executable: Executable, lists: tuple[str, ...]) -> Callable[[int], float]:
    """What runs so many iterations and returns their seconds."""
    device, pairs = executable.device, [pair for name in lists for pair in executable.bound(name)]
    executable.run_bound([one for _, one in pairs])
    bound = [repeated(one) for instruction, one in pairs if not instruction.once]

    def run(count: int) -> float:
        device.synchronize()
        begun = perf_counter()
        for _ in range(count):
            executable.run_bound(bound)
        device.synchronize()
        return perf_counter() - begun

    run(3)  # compiles, captures, replays
    return run
