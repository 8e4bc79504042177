"""Fusion of the gradient of a fully connected layer's weights with their update, for processors: it is never written whole."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from runtime.compiler.passes.fuse import uses_of
from runtime.ir.program import Buffer, Instruction, Program
from runtime.ops.update.table import OF_PRODUCT, ROWS

MOST_IMAGES = 512  # of a product whose whole sum a block takes at once: with more it leaves the cache
GRADIENT = "inner_product_weight_gradient"
UPDATES = frozenset(row.kernel for row in ROWS.values())


def fuse_updates(program: Program, keep: str) -> Program:
    """Let an update make the gradient that only it reads; it is then made in the list `update`, and cannot be read.

    Parameters
    ----------
    keep: as for `fuse_scale`; with "outputs" only, as others keep gradients to be read.
    """
    if program.division is not None or not program.update or keep != "outputs":
        return program
    writers = Counter(buffer.root for instruction in program.instructions for buffer in instruction.outputs)
    makers = {one.outputs[0].root: one for one in program.backward if one.kernel == GRADIENT}
    uses = uses_of(program, keep)
    fused: dict[Instruction, Instruction] = {}
    gone: set[Buffer] = set()
    for instruction in program.update:
        gradient = instruction.inputs[1].root if instruction.kernel in UPDATES else None
        maker = makers.get(gradient) if gradient is not None else None
        if gradient is None or maker is None or writers[gradient] != 1 or uses[gradient] != 2 or not plain(maker, instruction):
            continue
        fused[instruction] = with_product(maker, instruction)
        gone.add(gradient)
    backward = tuple(one for one in program.backward if one.kernel != GRADIENT or one.outputs[0].root not in gone)
    gradients = {parameter: buffer for parameter, buffer in program.parameter_gradients.items() if buffer.root not in gone}
    update = tuple(fused.get(one, one) for one in program.update)
    return replace(program, backward=backward, update=update, parameter_gradients=gradients)


def plain(maker: Instruction, update: Instruction) -> bool:
    """Whether a gradient is one product of all weights, as they are stored, of few enough images."""
    x, _ = maker.inputs
    whole = maker.outputs[0].size == maker.outputs[0].root.size == update.inputs[0].size
    return whole and x.shape[0] == 1 and x.shape[2] <= MOST_IMAGES and not maker.constants["transpose"]


def with_product(maker: Instruction, update: Instruction) -> Instruction:
    """The update of weights from what their gradient is made of: x (K, N) and dy (O, N)."""
    x, dy = (buffer.view(buffer.shape[1:]) for buffer in maker.inputs)
    weight, _, *others = update.inputs
    kernel = update.kernel + OF_PRODUCT
    return replace(update, kernel=kernel, inputs=(x, dy, weight, *others), macs=maker.macs)
