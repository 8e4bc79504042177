"""Shares of a net that lie on one device: what one would send to another is copied by a kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from runtime.ir.program import ITEM_BYTES, Buffer, Instruction, Program


def together(program: Program, hosts: Sequence[int]) -> Program:
    """A program whose shares have devices.

    Every share keeps its kernels, its memory and the order of all sums, so that the numbers do not depend on which devices do the
    work, nor on how many.

    Parameters
    ----------
    hosts: by share, which device has it.
    """
    if program.division is None:
        return program
    division = replace(program.division, hosts=tuple(hosts))
    if len(set(hosts)) == len(hosts):
        return replace(program, division=division)
    forward, backward, update = (
        tuple(_copied(instruction, hosts) for instruction in instructions)
        for instructions in (program.forward, program.backward, program.update)
    )
    return replace(program, forward=forward, backward=backward, update=update, division=division)


def _copied(instruction: Instruction, hosts: Sequence[int]) -> Instruction:
    if not instruction.is_send or hosts[instruction.inputs[0].device] != hosts[instruction.outputs[0].device]:
        return instruction
    (source,), (target,) = instruction.inputs, instruction.outputs
    return replace(instruction, kernel="copy", inputs=(_as_floats(source),), outputs=(_as_floats(target),))


def _as_floats(buffer: Buffer) -> Buffer:
    """The same bytes as `copy` takes them."""
    if buffer.dtype == "float32":
        return buffer
    size = buffer.bytes // ITEM_BYTES["float32"]
    return Buffer(buffer.name, (size,), buffer.role, base=buffer)
