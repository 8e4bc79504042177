"""What each device makes of a program, as text: the lists in the order they run, each instruction with what its device launches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from runtime.ir.program import Instruction, Program
from runtime.kernels.cuda.options import CudaOptions
from runtime.kernels.cuda.registry import AnyLaunch, Gemm, plan
from runtime.kernels.operand import operands_of
from runtime.machine.cpu.needs import planned
from runtime.machine.cuda.bound import is_data, runs_on_host
from runtime.machine.cuda.graphs import SHORTEST
from runtime.machine.schedule import find_waits


def text_of_plans(program: Program, cards: CudaOptions | None = None, threads: Sequence[int] = (1,)) -> str:
    """The program as its devices run it: CPUs, or graphics cards with these options.

    On several devices an instruction has a number, and says which ones of other queues it waits for.  One card replays what stands
    under "graph" as one CUDA graph.

    Parameters
    ----------
    program: after the last pass.
    threads: of each CPU device.
    """
    workers = {share: count for shares, count in zip(program.shares, threads, strict=False) for share in shares}
    lists = {"forward": program.forward, "backward": program.backward, "update": program.update}
    if cards is not None and program.update:
        lists = {"iteration": program.iteration}
    sections = {name: _lines(program, instructions, cards, workers) for name, instructions in lists.items() if instructions}
    return "\n".join(f"{name}:\n" + "".join(f"  {line}\n" for line in lines) for name, lines in sections.items())


def _lines(
    program: Program, instructions: Sequence[Instruction], cards: CudaOptions | None, workers: Mapping[int, int]
) -> Iterator[str]:
    if program.division is not None:
        assert program.plan is not None
        waiting = find_waits(instructions, program.plan.span, program.division.hosts)
        for number, (instruction, wait) in enumerate(zip(instructions, waiting, strict=True)):
            waits = f"  waits for {', '.join(f'#{other}' for other in wait.after)}" if wait.after else ""
            yield f"#{number} {instruction}{waits}"
            yield from _launches(instruction, cards, workers)
        return
    graphs = cards is not None and cards.graphs
    for captured, group in groupby(instructions, lambda instruction: graphs and not runs_on_host(instruction)):
        members = list(group)
        indent = ""
        if captured and len(members) >= SHORTEST:
            yield f"graph of {len(members)} instructions:"
            indent = "  "
        for instruction in members:
            yield indent + str(instruction)
            yield from (indent + line for line in _launches(instruction, cards, workers))


def _launches(instruction: Instruction, cards: CudaOptions | None, workers: Mapping[int, int]) -> Iterator[str]:
    """What the device launches for an instruction, a line each."""
    if instruction.is_send or instruction.is_reduce:
        return
    if cards is None:
        yield from (f"    {launch}" for launch in planned(instruction, workers.get(instruction.device, 1)).launches)
    elif runs_on_host(instruction):
        yield f"    on the host{', and uploaded' if is_data(instruction) else ', with copies from the card and back'}"
    else:
        made = plan(instruction.kernel, operands_of(instruction), instruction.constants, cards.target())
        yield from (f"    {_text(one)}" for one in made.launches)


def _text(made: AnyLaunch) -> str:
    if isinstance(made, Gemm):
        times = f"{made.batch} times " if made.batch > 1 else ""
        return f"gemm {times}{made.m} x {made.n} x {made.k}{' added' if made.accumulate else ''}"
    grid, block = ("x".join(str(extent) for extent in extents if extent > 1) or "1" for extents in (made.grid, made.block))
    return f"{made.function}: {grid} blocks of {block} threads"
