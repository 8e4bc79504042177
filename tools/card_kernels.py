"""Single kernels on a card, for tools/card.sh: the tests' cases with each array between guard words, and how fast some are."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.ir.program import Buffer, Instruction
from runtime.kernels.cuda.registry import Gemm, Launch, Plan, source
from runtime.kernels.operand import Operand
from runtime.machine.cuda import kernels as cuda_kernels
from runtime.machine.cuda import needs as cuda_needs
from runtime.machine.cuda.bound import CudaInstruction, named
from runtime.machine.cuda.cards import load_cupy
from runtime.machine.cuda.device import CudaDevice
from runtime.machine.cuda.gemm import workspace_of
from runtime.machine.fit import needed

if TYPE_CHECKING:
    from card_steps import Task

    from netdef.graph.net import Net
    from tests.runtime.kernels.cuda.checks import Check

GUARD = 256  # bytes before and after each array; addresses stay aligned as the case wants them
PATTERN = 0xA5
EVERY = 50  # cases between two notes of what is known
Guarded = tuple[Any, Any, int]  # memory, array, bytes before it


def clocks() -> str:
    """The card's, by nvidia-smi."""
    query = "--query-gpu=name,driver_version,clocks.sm,clocks.mem,clocks.max.sm,clocks.max.mem,power.limit"
    try:
        return subprocess.run(["nvidia-smi", query, "--format=csv"], capture_output=True, text=True, timeout=20).stdout.strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"unknown: {error}"


def free_bytes() -> int:
    """Of the card's memory, as the driver counts it."""
    cupy = load_cupy()
    with cupy.cuda.Device(0):
        return int(cupy.cuda.runtime.memGetInfo()[0])


def planned_bytes(executable: Any) -> int:
    """What a program is known to take on the card before it is opened, without the reserve, and without data sources."""
    device = executable.device
    size = needed([executable.program], device, [0], own_parameters=True) + workspace_of(device.card.memory)
    return int(size - cuda_needs.reserve(device.card.memory) - cuda_needs.batches_landing_bytes(executable.program, 0))


def cases(task: Task) -> None:
    """All cases of the tests: the CPU's numbers, and no write beside an array."""
    from tests.runtime.kernels.cuda.checks import all_checks

    checks = all_checks()
    run_checks(task, checks[:: len(checks) // 40] if task.few else checks)


def few(task: Task) -> None:
    """One case of each kernel, the largest below a size; --shared: of kernels with shared memory only.  For compute-sanitizer."""
    from tests.runtime.kernels.cuda.checks import all_checks, size

    chosen: dict[tuple[str, ...], Check] = {}
    for check in all_checks():
        key = tuple(function.split("<")[0] for function in check.functions)
        shared = any("__shared__" in source(one.file) for one in check.plan.launches if isinstance(one, Launch))
        if key and (shared or not task.shared) and size(check.case) < 40_000:
            chosen[key] = max(chosen.get(key, check), check, key=lambda other: size(other.case))
    run_checks(task, list(chosen.values())[: 5 if task.few else None])


def run_checks(task: Task, checks: Sequence[Check]) -> None:
    """Run checks on the card and compare each with the CPU's kernel."""
    from tests.runtime.kernels.cuda.checks import compare, on_cpu, widened

    cuda_kernels.COMPILERS = max(cuda_kernels.COMPILERS, os.cpu_count() or 1)
    device, begun = CudaDevice(0, task.cuda), perf_counter()
    for check in checks:
        for one in check.plan.launches:
            if isinstance(one, Launch):
                device.kernels.want(one.file, one.function)
    device.kernels.compile()
    counts = {"of": len(checks), "run": 0, "agree": 0, "beside": 0}
    wrong: list[str] = []
    task.found(compile_seconds=perf_counter() - begun, **counts)
    for number, check in enumerate(checks):
        found, clean = on_card(device, check)
        counts["run"] += 1
        counts["beside"] += not clean
        try:
            compare(check.case, widened(check.case, found), on_cpu(check.case), f"shifted by {check.shifts}")
            counts["agree"] += 1
        except AssertionError as error:
            wrong.append(" ".join(str(error).split())[:300])
        if not clean:
            wrong.append(f"{check.case}, shifted by {check.shifts}: wrote beside an array")
        if number % EVERY == EVERY - 1:
            task.found(**counts, wrong=wrong)
    task.found(**counts, wrong=wrong)
    device.close()


def on_card(device: CudaDevice, check: Check) -> tuple[list[np.ndarray], bool]:
    """All arrays after the case's plan, and whether all guards are as they were."""
    held: dict[int, Guarded] = {}
    values = check.case.values()
    for array, shift in zip(values, check.shifts, strict=True):
        if id(array) not in held:
            held[id(array)] = guarded(device, array, shift * array.itemsize)
    arrays = [held[id(array)][1] for array in values]
    buffers = tuple(Buffer(str(index), spec.shape, "input", spec.dtype) for index, spec in enumerate(check.case.arrays))
    instruction = Instruction(check.case.kernel, buffers, (), check.case.constants)
    constants = {name: device._constant(check.case.constants[name]) for name in named(check.plan)}
    room = guarded(device, np.full(check.plan.workspace // 4, np.nan, np.float32), 0)
    bound = CudaInstruction(instruction, check.plan, arrays, constants)

    def workspace(offset: int) -> Any:
        return device.array(room[0], GUARD + offset, (check.plan.workspace - offset,), "uint8")

    bound.resolve(device.kernels, device.cublas, workspace)
    with device.here(), device.queue.stream:
        bound()
    device.synchronize()
    return [device.read(array) for array in arrays], all(intact(device, one) for one in (*held.values(), room))


def guarded(device: CudaDevice, values: np.ndarray, shift: int) -> Guarded:
    """Values in memory of their own, with a pattern before and behind them."""
    memory = device.allocate(values.nbytes + shift + 2 * GUARD)
    device.write(device.array(memory, 0, (values.nbytes + shift + 2 * GUARD,), "uint8"), np.full(1, PATTERN, np.uint8))
    array = device.array(memory, GUARD + shift, values.shape, str(values.dtype))
    if values.size:
        device.write(array, values)
    return memory, array, GUARD + shift


def intact(device: CudaDevice, one: Guarded) -> bool:
    memory, array, before = one
    ends = ((0, before), (before + array.nbytes, GUARD))
    return all((device.read(device.array(memory, at, (size,), "uint8")) == PATTERN).all() for at, size in ends)


def products(task: Task) -> None:
    """The products of weight gradients: one call of cuBLAS each, and cut along the sum."""
    from netdef.loading import load
    from runtime.compiler.pipeline import compile_program
    from runtime.kernels.cuda.registry import plan
    from runtime.kernels.operand import operands_of

    device = CudaDevice(0, task.cuda)
    rows: list[dict[str, Any]] = []
    net = load(task.net, phase="train", batch_size=task.batch)
    for one in compile_program(net, losses_only=True).instructions:
        if not one.kernel.endswith("weight_gradient") or (task.few and rows):
            continue
        operands = operands_of(one)
        copies = replace(device.target, conv="im2col")
        whole = plan(one.kernel, operands, one.constants, replace(copies, multiprocessors=0))
        cut = plan(one.kernel, operands, one.constants, copies)
        tiles = plan(one.kernel, operands, one.constants, device.target)
        plain, split, own = (seconds_of(device, operands, made, task.rounds) for made in (whole, cut, tiles))
        splits = max((gemm.batch for gemm in cut.launches if isinstance(gemm, Gemm)), default=1)
        rows.append({"layer": one.layer, "plain_us": 1e6 * plain, "split_us": 1e6 * split, "own_us": 1e6 * own, "splits": splits})
        task.found(rows=rows)
    device.close()


def seconds_of(device: CudaDevice, operands: Sequence[Operand], made: Plan, rounds: int) -> float:
    """The median time of a plan on fresh arrays; of what its launches take by the card's clock."""
    arrays = [device.array(device.allocate(one.bytes), 0, one.shape, one.dtype) for one in operands]
    random = np.random.default_rng(0)
    for array in arrays:
        if array.dtype == np.float32:
            device.write(array, np.resize(random.standard_normal(min(array.size, 1 << 20), dtype=np.float32), array.shape))
    room = device.allocate(max(made.workspace, 1))
    for one in made.launches:
        if isinstance(one, Launch):
            device.kernels.want(one.file, one.function)
    device.kernels.compile()
    bound = CudaInstruction(Instruction("measured", (), (), {}), made, arrays, {})
    bound.resolve(device.kernels, device.cublas, lambda offset: device.array(room, offset, (made.workspace - offset,), "uint8"))
    device.times([bound] * 3)
    return median(device.times([bound] * rounds))


def memory(task: Task) -> None:
    """LRN and pooling of the net as shares of the rate of a copy, each with caches that hold other data; LRN with several runs."""
    from netdef.loading import load
    from runtime.kernels.cuda.registry import plan
    from runtime.kernels.operand import operands_of
    from runtime.machine.costs import launches, total
    from runtime.machine.yardstick import measured_limits

    device = CudaDevice(0, task.cuda)
    rows: list[dict[str, Any]] = []
    limits = measured_limits(device)
    net = load(task.net, phase="train", batch_size=task.batch)
    for one in fused_and_apart(net):
        if not one.kernel.startswith(("lrn_", "pool_", "relu_", "bias_gradient")):
            continue
        moved = total(launches(one, device.target)).bytes
        for variant, made in variants(plan(one.kernel, operands_of(one), one.constants, device.target), one):
            seconds = max(seconds_of(device, operands_of(one), made, task.rounds), 1e-9)
            of_copy = moved / seconds / limits.bandwidth
            rows.append({"kernel": one.kernel + variant, "layer": one.layer, "us": 1e6 * seconds, "of_copy": of_copy})
        task.found(rows=rows, copy_bytes=limits.bandwidth)
    device.close()


def fused_and_apart(net: Net) -> list[Instruction]:
    """A net's instructions, and those that gradients on cards are made by instead."""
    from runtime.compiler.pipeline import compile_program

    apart, fused = (compile_program(net, losses_only=True, keep="outputs", cards=cards).instructions for cards in (False, True))
    return [*apart, *(one for one in fused if one.kernel.endswith(("_relu", "_bias")))]


def variants(made: Plan, instruction: Instruction) -> Iterator[tuple[str, Plan]]:
    """A plan as it is, and those of LRN with other numbers of runs of channels."""
    yield "", made
    if instruction.kernel.startswith(("lrn_forward", "lrn_backward")) and isinstance(made.launches[0], Launch):
        launch = made.launches[0]
        for runs in (1, 2, 3, 4, 6, 8):
            if "_wide" in launch.function or runs == int(launch.scalars[3]):
                continue
            scalars = (*launch.scalars[:3], np.int32(runs), *launch.scalars[4:])
            grid = (launch.grid[0], instruction.constants["group"] * runs, 1)
            yield f" runs {runs}", replace(made, launches=(replace(launch, grid=grid, scalars=scalars), *made.launches[1:]))
