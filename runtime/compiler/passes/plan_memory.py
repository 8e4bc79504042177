"""Memory planning: an offset in an arena for every buffer, by lifetime, so that nothing is allocated after compiling."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from runtime.ir.program import PARAMETERS, STATES, WORKING, Buffer, Instruction, MemoryPlan, Program, arena_of

ALIGNMENT = 64  # bytes: a cache line, and the widest vector
KEEP = ("versions", "all", "activations", "outputs")
LEARNING = ("parameter_gradient", "state", "carried")  # roles of what lasts over iterations, whatever the shapes of other blobs
_PERSISTENT = ("input", "output", "parameter_gradient", "state", "carried", "scalar")
_HOLDS = {
    "parameter": "weights",
    "parameter_gradient": "weight gradients",
    "state": "solver state",
    "carried": "carried states",
    "folded": "folded weights",
    "input": "inputs",
    "output": "outputs",
    "scalar": "inputs",
    "activation": "activations",
    "saved": "activations",
    "gradient": "activation gradients",
}


@dataclass
class _Span:
    """One run of memory and the instructions during which it is in use, both ends included."""

    buffers: list[Buffer]
    bytes: int
    first: int
    last: int
    offset: int = -1


def plan_memory(program: Program, keep: str = "all") -> Program:
    """Give every buffer its offset.

    Parameters
    ----------
    keep: what can be read after a run.  "versions": all that any instruction makes, each in memory of its own, those blobs too that
        a layer in place writes over; "all": every blob and every gradient; "activations": every blob, while gradients reuse each
        other's memory (training); "outputs": the net's inputs and outputs only (inference).
    """
    instructions = [*program.forward, *program.backward, *program.update]
    first, last = _lifetimes(instructions)
    end = len(instructions)
    for buffer in _persistent(program, first):
        first[buffer], last[buffer] = 0, end
    for buffer in _readable(program, keep):
        first.setdefault(buffer, 0)
        last[buffer] = end
    parameters = set(program.parameters.values())
    spans = _merge_inplace(instructions, [b for b in first if b not in parameters], first, last)
    offsets: dict[Buffer, tuple[str, int]] = {}
    arenas: dict[str, int] = {}
    by_device: list[Mapping[str, int]] = []
    for device in range(program.division.devices if program.division else 1):
        here = [span for span in spans if span.buffers[0].device == device]
        working, weights, states = (arena_of(kind, device) for kind in (WORKING, PARAMETERS, STATES))
        arenas[weights] = 0
        for buffer in program.parameters.values():
            if buffer.device == device:
                offsets[buffer] = (weights, arenas[weights])
                arenas[weights] += _aligned(buffer.bytes)
        totals = Counter({"weights": arenas[weights]})
        for arena, is_state in ((working, False), (states, True)):
            inside = [span for span in here if (span.buffers[0].role in LEARNING) == is_state]
            arenas[arena] = _assign(inside)
            offsets |= {buffer: (arena, span.offset) for span in inside for buffer in span.buffers}
            totals.update(_totals(inside))
        by_device.append(dict(totals))
    plan = MemoryPlan(
        offsets=offsets,
        arenas=arenas,
        totals=_sum(by_device),
        recycled=frozenset(buffer for span in spans for buffer in span.buffers if last[buffer] < end),
        by_device=tuple(by_device),
    )
    return replace(program, plan=plan)


def _roots(buffers: Iterable[Buffer]) -> list[Buffer]:
    return list(dict.fromkeys(buffer.root for buffer in buffers))


def _lifetimes(instructions: list[Instruction]) -> tuple[dict[Buffer, int], dict[Buffer, int]]:
    first: dict[Buffer, int] = {}
    last: dict[Buffer, int] = {}
    for time, instruction in enumerate(instructions):
        for buffer in instruction.buffers:
            first.setdefault(buffer.root, time)
            last[buffer.root] = time
    return first, last


def _persistent(program: Program, used: dict[Buffer, int]) -> list[Buffer]:
    """The buffers whose values outlive a run, or are written by the host before it."""
    roots = [*used, *_roots(program.blobs.values())]
    for table in (program.scalars, program.seeds, program.states):
        roots += _roots(table.values())
    for source in program.sources:
        roots += _roots(source.fields.values())
    made_once = _roots(buffer for instruction in program.forward if instruction.once for buffer in instruction.outputs)
    return [buffer for buffer in dict.fromkeys(roots) if buffer.role in _PERSISTENT] + made_once


def _readable(program: Program, keep: str) -> list[Buffer]:
    """The buffers that can be read after a run, from their first write on."""
    if keep == "versions":
        made = (buffer for instruction in program.instructions for buffer in instruction.outputs)
        return _roots([*program.blobs.values(), *program.gradients.values(), *made])
    blobs = program.net.outputs if keep == "outputs" else program.net.blobs.values()
    readable = _roots(program.blobs[blob] for blob in blobs if blob in program.blobs)
    if keep == "all":
        readable += _roots(program.gradients.values())
        inner = ("saved", "activation") if program.division else ("saved",)  # what is gathered is no blob of the net
        kept = (b for instruction in program.forward for b in instruction.outputs if b.root.role in inner)
        readable += _roots(kept)  # so that backward can run again, with other gradients
    return readable


def _merge_inplace(
    instructions: list[Instruction], buffers: list[Buffer], first: dict[Buffer, int], last: dict[Buffer, int]
) -> list[_Span]:
    """Spans of buffers: an in-place instruction's output joins its input's span where that input is read here last.

    Not one of another type, though both be padded to one size: numbers of 4 bytes would be written over those of 2 not read yet.
    """
    spans = {b: _Span([b], _aligned(b.bytes), first[b], last[b]) for b in buffers}
    for time, instruction in enumerate(instructions):
        if not (instruction.inplace and instruction.inputs and instruction.outputs):
            continue
        source, target = instruction.inputs[0].root, instruction.outputs[0].root
        before, after = spans.get(source), spans.get(target)
        if before is None or after is None or before is after or source.dtype != target.dtype:
            continue
        if before.bytes == after.bytes and before.last == time and after.first == time and not _reads_again(instruction, source):
            before.buffers += after.buffers
            before.last = after.last
            for buffer in after.buffers:
                spans[buffer] = before
    return list({id(span): span for span in spans.values()}.values())


def _reads_again(instruction: Instruction, source: Buffer) -> bool:
    """Whether another argument of the instruction is the same memory (x + x must not be done in place of x)."""
    return sum(buffer.root is source for buffer in instruction.inputs) > 1


def _assign(spans: list[_Span]) -> int:
    """Largest first, each at the lowest offset free during its whole life.  Returns the arena's bytes."""
    first, last, offset, end = np.zeros((4, len(spans)), np.int64)  # of the spans that have an offset, sorted by it
    for count, span in enumerate(sorted(spans, key=lambda s: (-s.bytes, s.first))):
        beside = np.flatnonzero((first[:count] <= span.last) & (last[:count] >= span.first))
        covered = np.maximum.accumulate(np.concatenate(([0], end[beside])))  # below each of them, and by all
        gaps = np.flatnonzero(offset[beside] - covered[:-1] >= span.bytes)
        span.offset = int(covered[gaps[0] if gaps.size else -1])
        at = int(np.searchsorted(offset[:count], span.offset, "right"))
        for column, value in zip(
            (first, last, offset, end), (span.first, span.last, span.offset, span.offset + span.bytes), strict=True
        ):
            column[at + 1 : count + 1] = column[at:count]
            column[at] = value
    return int(end.max(initial=0))


def _sum(by_device: Iterable[Mapping[str, int]]) -> dict[str, int]:
    totals: Counter[str] = Counter()
    for one in by_device:
        totals.update(one)
    return dict(totals)


def _aligned(size: int) -> int:
    return -(-max(size, 1) // ALIGNMENT) * ALIGNMENT


def _totals(spans: list[_Span]) -> dict[str, int]:
    """Bytes of an arena by what it holds; memory that several take in turn counts for the first."""
    totals: Counter[str] = Counter()
    covered = 0
    for span in sorted(spans, key=lambda s: (s.offset, -s.bytes)):
        new = max(0, span.offset + span.bytes - max(covered, span.offset))
        covered = max(covered, span.offset + span.bytes)
        totals[_HOLDS[span.buffers[0].role]] += new
    return dict(totals)
