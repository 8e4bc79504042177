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
    blocks = [list(instructions) for _, instructions in groupby(program.backward, key=lambda instruction: instruction.layer)]
    return replace(program, backward=tuple(instruction for block in blocks for instruction in _ordered(block)))


def _ordered(block: Sequence[Instruction]) -> Iterator[Instruction]:
    """A layer's instructions on all devices, those that make nothing but gradients of parameters last if there is a send."""
    sends = any(instruction.is_send for instruction in block)
    last = [instruction for instruction in block if sends and _only_learns(instruction)]
    yield from (instruction for instruction in block if instruction not in last)
    yield from last


def _only_learns(instruction: Instruction) -> bool:
    return bool(instruction.outputs) and all(buffer.root.role == "parameter_gradient" for buffer in instruction.outputs)
