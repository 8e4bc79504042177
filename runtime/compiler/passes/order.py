"""The last pass: the order in which an iteration runs as one list, as on devices that run by themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from runtime.ir.program import Buffer, Instruction, Program

Span = tuple[Any, int, int]  # an arena, and from which byte to which
SpanOf = Callable[[Buffer], Span]


@dataclass
class Interval:
    """Bytes that are used together: who wrote them last, and who has read them since."""

    writer: int | None = None
    readers: list[int] = field(default_factory=list)


class Uses:
    """What the instructions of a list that came before have used of memory; it is gone through from first to last.

    All memory is cut at both ends of every buffer, so that a buffer is a run of whole intervals.
    """

    def __init__(self, instructions: Sequence[Instruction], span_of: SpanOf):
        self._span_of = span_of
        ends: dict[Any, set[int]] = {}
        for instruction in instructions:
            for buffer in instruction.buffers:
                arena, *edges = span_of(buffer)
                ends.setdefault(arena, set()).update(edges)
        self._indices = {arena: {byte: index for index, byte in enumerate(sorted(edges))} for arena, edges in ends.items()}
        self._intervals = {arena: [Interval() for _ in edges] for arena, edges in ends.items()}

    def conflicts(self, instruction: Instruction) -> set[int]:
        """The instructions that must be done before this one: whose results it reads, or whose reads or writes it would spoil."""
        found: set[int] = set()
        for buffer, writes in _accesses(instruction):
            for interval in self._of(buffer):
                if interval.writer is not None:
                    found.add(interval.writer)
                if writes:
                    found.update(interval.readers)
        return found

    def note(self, instruction: Instruction, number: int) -> None:
        """Record what an instruction reads and writes."""
        for buffer, writes in _accesses(instruction):
            for interval in self._of(buffer):
                if writes:
                    interval.writer, interval.readers = number, []
                else:
                    interval.readers.append(number)

    def _of(self, buffer: Buffer) -> list[Interval]:
        arena, begin, end = self._span_of(buffer)
        indices = self._indices[arena]
        return self._intervals[arena][indices[begin] : indices[end]]


def order(program: Program) -> Program:
    """Set the program's `iteration`: forward, backward and update as one list.

    On several devices each update comes as soon as what it waits for is behind it: a weight is updated when its gradient is whole
    and backward has no more use for it, and its copies are sent while backward goes on with the layers before.
    """
    instructions = [*program.forward, *program.backward, *program.update]
    if program.division is not None and program.plan is not None:
        instructions = [instructions[number] for number in updates_early(instructions, program.plan.span, len(program.update))]
    return replace(program, iteration=tuple(instructions))


def updates_early(instructions: Sequence[Instruction], span_of: SpanOf, updates: int) -> list[int]:
    """The order, by numbers, in which the last `updates` instructions each come as soon as what they wait for is behind them."""
    used = Uses(instructions, span_of)
    begin = len(instructions) - updates
    ends = _ends_of_sums(instructions)
    behind: list[int] = []  # of each instruction: itself, or the one that it comes behind
    for number, instruction in enumerate(instructions):
        others = used.conflicts(instruction) if number >= begin else ()
        behind.append(max((behind[ends.get(other, other)] for other in others), default=0) if number >= begin else number)
        used.note(instruction, number)
    return sorted(range(len(instructions)), key=behind.__getitem__)


def _ends_of_sums(instructions: Sequence[Instruction]) -> dict[int, int]:
    """By the number of one device's side of a sum over ranks, that of the last side: nothing comes between them."""
    ends: dict[int, int] = {}
    last = 0
    for number in reversed(range(len(instructions))):
        if instructions[number].is_reduce:
            last = number if instructions[number].constants["last"] else last
            ends[number] = last
    return ends


def _accesses(instruction: Instruction) -> Iterator[tuple[Buffer, bool]]:
    """The buffers that an instruction uses and whether it writes them; without outputs it works on its inputs, but for scalars."""
    for buffer in instruction.inputs:
        yield buffer, not instruction.outputs and buffer.root.role != "scalar"
    for buffer in instruction.outputs:
        yield buffer, True
