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
        taken = forms(instruction)
        wide.update(buffer.root for number, buffer in enumerate(instruction.buffers) if number not in taken)
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


class _Narrower:
    """The bfloat16 buffer for each that is not `wide`, the same for the same; views follow their root."""

    def __init__(self, wide: Collection[Buffer]):
        self._wide, self._changed = wide, dict[Buffer, Buffer]()

    def __call__(self, buffer: Buffer) -> Buffer:
        root = buffer.root
        if root in self._wide or root.role not in ROLES or root.dtype != "float32":
            return buffer
        if buffer not in self._changed:
            base = None if buffer.base is None else self(buffer.base)
            self._changed[buffer] = replace(buffer, dtype=NARROW, base=base)
        return self._changed[buffer]
