"""Storage in 16 bits: blobs and gradients of blobs that all their instructions take as bfloat16 are kept so."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from runtime.ir.program import NARROW, Buffer, Instruction, Program

Forms = Callable[[Instruction], Collection[int]]  # which of an instruction's buffers its device takes as bfloat16
ROLES = ("activation", "gradient")


def narrow(program: Program, forms: Forms) -> Program:
    """Let what is computed between layers be bfloat16 where every instruction that reads or writes it has a form for that.

    Parameters, statistics and sums stay float32, and so do outputs of the net, what layers write elsewhere, and what the host sets.
    """
    wide = {buffer.root for buffer in _kept(program)}
    for instruction in program.instructions:
        taken = range(2) if _is_sent(instruction) else forms(instruction)
        wide.update(buffer.root for number, buffer in enumerate(instruction.buffers) if number not in taken)
    _widen_both_ends(program, wide)
    change = _Narrower(wide)
    forward, backward, update = (
        tuple(one.renamed({buffer: change(buffer) for buffer in one.buffers}) for one in instructions)
        for instructions in (program.forward, program.backward, program.update)
    )
    return replace(
        program,
        forward=forward,
        backward=backward,
        update=update,
        blobs={blob: change(buffer) for blob, buffer in program.blobs.items()},
        gradients={blob: change(buffer) for blob, buffer in program.gradients.items()},
        forms=forms,
    )


def _kept(program: Program) -> list[Buffer]:
    """What stays float32 whatever instructions take."""
    outputs = [program.blobs[blob] for blob in program.net.outputs if blob in program.blobs]
    written = [buffer for sink in program.sinks for buffer in sink.fields.values()]
    return [*outputs, *written, *program.seeds.values(), *program.remembered.values()]


def _is_sent(instruction: Instruction) -> bool:
    """Whether an instruction copies a buffer of one share to another, on another device or, by a kernel, on the same."""
    if len(instruction.inputs) != 1 or len(instruction.outputs) != 1:
        return False
    return instruction.is_send or (instruction.kernel == "copy" and instruction.inputs[0].device != instruction.outputs[0].device)


def _widen_both_ends(program: Program, wide: set[Buffer]) -> None:
    """Let what is sent have the type that it has where it arrives, wherever shares lie: the bytes are sent as they are."""
    pairs = [(one.inputs[0].root, one.outputs[0].root) for one in program.instructions if _is_sent(one)]
    wide.update(root for pair in pairs for root in pair if not _can_change(root))
    before = -1
    while before != len(wide):
        before = len(wide)
        wide.update(root for pair in pairs if not wide.isdisjoint(pair) for root in pair)


def _can_change(root: Buffer) -> bool:
    """Whether a buffer is of a kind that may be bfloat16."""
    return root.role in ROLES and root.dtype == "float32"


class _Narrower:
    """The bfloat16 buffer for each that is not `wide`, the same for the same; views follow their root."""

    def __init__(self, wide: Collection[Buffer]):
        self._wide, self._changed = wide, dict[Buffer, Buffer]()

    def __call__(self, buffer: Buffer) -> Buffer:
        root = buffer.root
        if root in self._wide or not _can_change(root):
            return buffer
        if buffer not in self._changed:
            base = None if buffer.base is None else self(buffer.base)
            self._changed[buffer] = replace(buffer, dtype=NARROW, base=base)
        return self._changed[buffer]
