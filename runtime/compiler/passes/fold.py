"""Folding: in inference, what scales and shifts the channels of a product becomes part of its weights and bias.

A convolution or an inner product, and behind it any of BatchNorm (with running statistics), Scale and Bias:

    y = ((W x + b - mean) * inverse) * factor + bias = W' x + b'

W' and b' come of the same instructions, on W and b.  They depend on parameters only, so that they are computed once after each
change of these (`Instruction.once`); files of weights keep W and b.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from runtime.compiler.passes.fuse import uses_of
from runtime.ir.program import Buffer, Instruction, Program

PRODUCTS = ("conv2d", "inner_product")
# By kernel, which input is the factor, None for those that only shift.  The first input is what they change.
AFFINE: Mapping[str, int | None] = {"normalize_channels": 2, "scale_rows": 1, "scale_add_rows": 1, "add_rows": None}


def fold(program: Program, keep: str = "outputs") -> Program:
    """Fold what is affine by channels into the product before it, where nobody else reads that one's result.

    Parameters
    ----------
    keep: what can be read after a run, as for `plan_memory`; a blob that can is made, even if only such an instruction reads it.
    """
    known = known_buffers(program)
    chains = chains_of(program, keep, known)
    last = {chain[-1]: chain for chain in chains}  # where what all of a chain reads has been made
    gone = {instruction for chain in chains for instruction in chain}
    forward: list[Instruction] = []
    for instruction in program.forward:
        if instruction in last:
            forward += folded(*last[instruction])
        elif instruction not in gone:
            forward.append(replace(instruction, once=is_known(instruction, known)))
    skipped = {instruction.outputs[0].root for chain in chains for instruction in chain[:-1]}
    blobs = {blob: buffer for blob, buffer in program.blobs.items() if buffer.root not in skipped}
    return replace(program, forward=tuple(forward), blobs=blobs)


def known_buffers(program: Program) -> set[Buffer]:
    """The parameters, and what layers make of only these."""
    known = {buffer.root for buffer in program.parameters.values()}
    for instruction in program.forward:
        if is_known(instruction, known):
            known.update(buffer.root for buffer in instruction.outputs)
    return known


def is_known(instruction: Instruction, known: Collection[Buffer]) -> bool:
    """Whether an instruction reads nothing but such, and makes no blob."""
    reads = bool(instruction.inputs or instruction.kernel == "fill") and all(buffer.root in known for buffer in instruction.inputs)
    return reads and all(buffer.root.role == "saved" for buffer in instruction.outputs)


def chains_of(program: Program, keep: str, known: Collection[Buffer]) -> list[list[Instruction]]:
    """Each product with the instructions that can be folded into it, of which there are some."""
    uses = uses_of(program, keep)
    ends: dict[Buffer, list[Instruction]] = {}  # by the buffer that a chain ends in
    for instruction in program.forward:
        source = instruction.inputs[0].root if instruction.inputs else None
        if instruction.kernel in PRODUCTS:
            ends[instruction.outputs[0].root] = [instruction]
        elif source in ends and uses[source] == 2 and fits(ends[source][0], instruction, known):
            ends[instruction.outputs[0].root] = [*ends.pop(source), instruction]
    return [chain for chain in ends.values() if len(chain) > 1]


def fits(product: Instruction, instruction: Instruction, known: Collection[Buffer]) -> bool:
    """Whether an instruction changes the outputs of a product by numbers that are known, one for each."""
    if instruction.kernel not in AFFINE or product.constants["relu"]:
        return False
    x, *operands = instruction.inputs
    *before, _ = x.shape
    whole = x.size == x.root.size and instruction.outputs[0].size == instruction.outputs[0].root.size
    return whole and before[-1:] == [outputs_of(product)] == [x.root.size // x.shape[-1]] and all(o.root in known for o in operands)


def outputs_of(product: Instruction) -> int:
    """How many outputs, each of which lies in one run of memory; 0 if they do not."""
    y = product.outputs[0]
    if product.kernel == "conv2d":
        return y.shape[0]
    return y.shape[1] if y.shape[0] == 1 else 0


def folded(product: Instruction, *chain: Instruction) -> Iterator[Instruction]:
    """The weights and biases that do the work of a chain, and the product with them."""
    x, w, b = product.inputs
    name, target = product.outputs[0].name, chain[-1].outputs[0].root
    biases = Buffer(f"{name}.folded.b", (outputs_of(product),), "folded", device=w.device)
    weights = Buffer(f"{name}.folded.w", w.shape, "folded", device=w.device)
    yield from _folded_biases(b if product.constants["has_bias"] else None, biases, chain)
    factors = [one.inputs[index] for one in chain if (index := AFFINE[one.kernel]) is not None]
    yield from _folded_weights(w, weights, factors, product)
    constants = {**product.constants, "has_bias": True}
    inputs, made = (x, weights if factors else w, biases), target.view(product.outputs[0].shape)
    yield replace(product, inputs=inputs, outputs=(made,), constants=constants)


def _folded_biases(given: Buffer | None, made: Buffer, chain: Sequence[Instruction]) -> Iterator[Instruction]:
    """What a chain makes of the biases, each a channel of one number."""
    if given is None:
        yield Instruction("fill", (), (made,), {"value": 0.0}, chain[0].layer, once=True)
    source = given or made
    for one in chain:
        shape = (*one.inputs[0].shape[:-1], 1)
        inputs, outputs = (source.view(shape), *one.inputs[1:]), (made.view(shape),)
        yield Instruction(one.kernel, inputs, outputs, one.constants, one.layer, once=True)
        source = made


def _folded_weights(given: Buffer, made: Buffer, factors: Sequence[Buffer], product: Instruction) -> Iterator[Instruction]:
    """The weights of each output times all factors of it."""
    O = outputs_of(product)
    transposed = product.constants.get("transpose", False)
    kernel, shape = ("scale_columns", (1, made.size // O, O)) if transposed else ("scale_rows", (1, O, made.size // O))
    for source, factor in zip((given, *[made] * len(factors)), factors, strict=False):
        inputs = source.view(shape), factor.view((1, O) if transposed else (O,))
        yield Instruction(kernel, inputs, (made.view(shape),), {}, product.layer, once=True)
