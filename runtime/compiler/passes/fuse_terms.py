"""Fusion in backward: the kernel of a ReLU's gradient makes the sums that the gradient of the BatchNorm and Scale before it needs.

Between the two there may be a sum, as at the end of a residual block, whose gradient is handed on as it is.  Where the gradient
that the ReLU is given is itself a sum of two, of a blob with two readers, the same kernel adds them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from netdef.layers.elementwise import relu_backward
from runtime.compiler.passes.fuse import SUM, uses_of
from runtime.ir.program import Buffer, Instruction, Program

RELU_BACKWARD, TERMS = relu_backward.__name__, "normalize_scale_terms"


def fuse_terms(program: Program, keep: str) -> Program:
    """Fuse each ReLU's gradient with the sums of it, and with the sum that makes what it is given, if nobody else reads that.

    Parameters
    ----------
    keep: as for `fuse_scale`.
    """
    if not program.backward or keep in ("versions", "all"):
        return program
    uses = uses_of(program, keep)
    backward: list[Instruction | None] = list(program.backward)
    writers: dict[Buffer, list[int]] = {}
    for number, instruction in enumerate(program.backward):
        for buffer in instruction.outputs:
            writers.setdefault(buffer.root, []).append(number)
    gone: set[Buffer] = set()
    for number, terms in enumerate(program.backward):
        relu = relu_of(terms, program.backward, writers)
        if relu is None or backward[relu] is not program.backward[relu]:
            continue  # of two that sum the same gradient, the first has it summed
        masks = program.backward[relu]
        total = sum_of(masks, program.backward, writers, uses)
        if total is not None:
            backward[total] = None
            gone.add(masks.inputs[0].root)
        backward[relu] = fused(masks, terms, program.backward[total] if total is not None else None)
        backward[number] = None
    kept = {blob: buffer for blob, buffer in program.gradients.items() if buffer.root not in gone}
    return replace(program, backward=tuple(one for one in backward if one is not None), gradients=kept)


def relu_of(terms: Instruction, backward: tuple[Instruction, ...], writers: dict[Buffer, list[int]]) -> int | None:
    """The number of the ReLU's gradient that alone writes what is summed, if that is what `terms` does."""
    if terms.kernel != TERMS:
        return None
    dz = terms.inputs[0]
    if len(writers.get(dz.root, ())) != 1:
        return None
    (number,) = writers[dz.root]
    relu = backward[number]
    whole = relu.outputs[0].size == dz.size == dz.root.size
    return number if relu.kernel == RELU_BACKWARD and whole else None


def sum_of(
    relu: Instruction, backward: tuple[Instruction, ...], writers: dict[Buffer, list[int]], uses: Counter[Buffer]
) -> int | None:
    """The number of the sum that makes what only a ReLU's gradient reads, if nothing it adds is written in between."""
    dy = relu.inputs[0]
    if uses[dy.root] != 2 or len(writers.get(dy.root, ())) != 1:
        return None
    (number,) = writers[dy.root]
    total = backward[number]
    if total.kernel != SUM or not total.outputs[0].size == dy.size == dy.root.size:
        return None
    behind = {buffer.root for one in backward[number + 1 : backward.index(relu)] for buffer in one.outputs}
    return number if behind.isdisjoint(buffer.root for buffer in total.inputs) else None


def fused(relu: Instruction, terms: Instruction, total: Instruction | None) -> Instruction:
    """The instruction that replaces the ReLU's gradient, where that is in the list: all that the sums read is made before it."""
    shape = terms.inputs[0].shape
    given = total.inputs if total is not None else relu.inputs[:1]
    inputs = tuple(buffer.view(shape) for buffer in (*given, relu.inputs[1]))
    outputs = relu.outputs[0].view(shape), *terms.outputs
    kernel = "normalize_scale_add_relu_terms" if total is not None else "normalize_scale_relu_terms"
    return Instruction(kernel, (*inputs, *terms.inputs[1:]), outputs, dict(relu.constants), relu.layer, inplace=True)
