"""Copies saved: what a device gathers from itself is made in its target at once."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from runtime.ir.program import ITEM_BYTES, Buffer, Instruction, Program


def elide(program: Program) -> Program:
    """Let a region of a blob lie where the gathered blob will have it, instead of copying it there.

    A forward `copy` of a whole activation into a run of another buffer of the same device is removed; the instructions that used
    the copied buffer use that run.
    """
    if program.division is None:
        return program
    copied = Counter(instruction.inputs[0].root for instruction in program.forward if _is_local(instruction))
    targets: dict[Buffer, Buffer] = {}
    forward: list[Instruction] = []
    for instruction in program.forward:
        if _saves(instruction) and copied[instruction.inputs[0].root] == 1:
            targets[instruction.inputs[0].root] = instruction.outputs[0]
        else:
            forward.append(instruction)
    move = _Mover(targets)
    return replace(
        program,
        forward=tuple(move.instruction(instruction) for instruction in forward),
        backward=tuple(move.instruction(instruction) for instruction in program.backward),
        update=tuple(move.instruction(instruction) for instruction in program.update),
        blobs={blob: move(buffer) for blob, buffer in program.blobs.items()},
    )


def _saves(instruction: Instruction) -> bool:
    """Whether an instruction copies all of a buffer of its own into a run of a larger one."""
    if not _is_local(instruction):
        return False
    source, target = instruction.inputs[0], instruction.outputs[0]
    whole = source.root.size == source.size == target.size
    return whole and source.root.role == "activation" and target.root is not source.root and target.root.size > target.size


def _is_local(instruction: Instruction) -> bool:
    """Whether an instruction copies within a share, and not from one of a device's shares to another."""
    return instruction.kernel == "copy" and instruction.inputs[0].device == instruction.outputs[0].device


class _Mover:
    """Puts views of moved buffers where those are now."""

    def __init__(self, targets: dict[Buffer, Buffer]):
        self._targets = targets
        self._moved: dict[Buffer, Buffer] = {}

    def __call__(self, buffer: Buffer) -> Buffer:
        root = buffer.root
        if root not in self._targets:
            return buffer
        if buffer not in self._moved:
            target = self(self._targets[root])
            offset = (target.byte_offset + buffer.byte_offset) // ITEM_BYTES[root.dtype]
            self._moved[buffer] = replace(buffer, base=target.root, offset=offset)
        return self._moved[buffer]

    def instruction(self, instruction: Instruction) -> Instruction:
        if not any(buffer.root in self._targets for buffer in instruction.buffers):
            return instruction
        return instruction.renamed({buffer: self(buffer) for buffer in instruction.buffers})
