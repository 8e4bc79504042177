"""The last pass: the order in which an iteration runs as one list, as on devices that run by themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from runtime.ir.program import Buffer, Instruction, Program

Span = tuple[Any, int, int]  # an arena, and from which byte to which
SpanOf = Callable[[Buffer], Span]


@dataclass
class Use:
    """Who used a stretch of memory last: its last writer, and who has read it since."""

    span: Span
    writer: int | None = None
    readers: list[int] = field(default_factory=list)


Uses = dict[Any, list[Use]]  # by arena


def order(program: Program) -> Program:
    """Set the program's `iteration`: forward, backward and update as one list.

    On several devices each update comes as soon as what it waits for is behind it: a weight is updated when its gradient is whole
    and backward has no more use for it, and its copies are sent while backward goes on with the layers before.
    """
    steps = [*program.forward, *program.backward, *program.update]
    if program.division is not None and program.plan is not None:
        steps = [steps[number] for number in updates_early(steps, program.plan.span, len(program.update))]
    return replace(program, iteration=tuple(steps))


def updates_early(steps: Sequence[Instruction], span_of: SpanOf, updates: int) -> list[int]:
    """The order, by numbers, in which the last `updates` instructions each come as soon as what they wait for is behind them."""
    used: Uses = {}
    begin = len(steps) - updates
    behind: list[int] = []  # of each instruction: itself, or the one that it comes behind
    for number, step in enumerate(steps):
        others = conflicts(used, step, span_of) if number >= begin else ()
        behind.append(max((behind[other] for other in others), default=0) if number >= begin else number)
        note(used, step, number, span_of)
    return sorted(range(len(steps)), key=behind.__getitem__)


def conflicts(used: Uses, step: Instruction, span_of: SpanOf) -> Iterator[int]:
    """The instructions that must be done before this one: those whose results it reads, or whose reads or writes it would spoil."""
    for buffer, writes in _accesses(step):
        arena, begin, end = span_of(buffer)
        for use in used.get(arena, ()):
            if use.span[1] < end and begin < use.span[2]:
                if use.writer is not None:
                    yield use.writer
                if writes:
                    yield from use.readers


def note(used: Uses, step: Instruction, number: int, span_of: SpanOf) -> None:
    """Record what an instruction reads and writes."""
    for buffer, writes in _accesses(step):
        arena, begin, end = span = span_of(buffer)
        uses = used.setdefault(arena, [])
        if writes:
            uses[:] = [use for use in uses if not (begin <= use.span[1] and use.span[2] <= end)]
            uses.append(Use(span, number))
            continue
        use = next((use for use in uses if use.span == span), None)
        if use is None:
            use = Use(span)
            uses.append(use)
        use.readers.append(number)


def _accesses(step: Instruction) -> Iterator[tuple[Buffer, bool]]:
    """The buffers that an instruction uses and whether it writes them; without outputs it works on its inputs, but for scalars."""
    for buffer in step.inputs:
        yield buffer, not step.outputs and buffer.root.role != "scalar"
    for buffer in step.outputs:
        yield buffer, True
