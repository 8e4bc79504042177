"""Work put where it hides the sending: a layer's gradients of weights are computed while its other gradients are on their way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from runtime.ir.program import Instruction, Program


def send_first(program: Program) -> Program:
    """In backward, let a layer that sends gradients of blobs compute those first: no other device waits for those of weights."""
    if program.division is None:
        return program
    blocks = [list(steps) for _, steps in groupby(program.backward, key=lambda step: step.layer)]
    return replace(program, backward=tuple(step for block in blocks for step in _ordered(block)))


def _ordered(block: Sequence[Instruction]) -> Iterator[Instruction]:
    """A layer's steps on all devices, those that make nothing but gradients of parameters last if there is a send."""
    last = [step for step in block if _only_learns(step)] if any(step.kernel == "send" for step in block) else []
    yield from (step for step in block if step not in last)
    yield from last


def _only_learns(step: Instruction) -> bool:
    return bool(step.outputs) and all(buffer.root.role == "parameter_gradient" for buffer in step.outputs)
