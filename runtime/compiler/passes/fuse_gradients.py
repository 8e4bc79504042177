"""Fusion in backward, for cards: a blob's gradient is masked by the ReLU before it, and summed for a bias's, where it is made.

    gradient of LRN or largest pooling -> of ReLU -> of the bias of what made the blob

are one kernel, or the last two where the first is another: what one has written, the next need not read.  LRN reads what ReLU made,
so that its mask costs nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from netdef.layers.elementwise import relu_backward
from runtime.compiler.passes.fuse import uses_of
from runtime.ir.program import Buffer, Instruction, Program

RELU_BACKWARD, BIAS = relu_backward.__name__, "bias_gradient"
LRN, POOLING = "lrn_backward", "pool_max_backward"  # kernels that are other ones with a ReLU's gradient
WITH_BIAS = "_bias"


@dataclass(frozen=True)
class Chain:
    """The numbers of the instructions that become one: of the ReLU's gradient, and of the one before and the one behind, if any."""

    relu: int
    before: int | None
    bias: int | None


def fuse_gradients(program: Program, keep: str) -> Program:
    """Fuse each ReLU's gradient with what makes its input, if nobody else reads that, and with the sum of it.

    Parameters
    ----------
    keep: as for `fuse_scale`.
    """
    if not program.backward or keep in ("versions", "all"):
        return program
    backward: list[Instruction | None] = list(program.backward)
    gone: set[Buffer] = set()
    for chain in chains_of(program.backward, uses_of(program, keep)):
        relu = program.backward[chain.relu]
        before, bias = (None if number is None else program.backward[number] for number in (chain.before, chain.bias))
        if before is not None and chain.before is not None:
            backward[chain.before] = None
            gone.add(before.outputs[0].root)
        if chain.bias is not None:
            backward[chain.bias] = None
        backward[chain.relu] = fused(relu, before, bias)
    kept = {blob: buffer for blob, buffer in program.gradients.items() if buffer.root not in gone}
    return replace(program, backward=tuple(one for one in backward if one is not None), gradients=kept)


def chains_of(backward: Sequence[Instruction], uses: Counter[Buffer]) -> Iterator[Chain]:
    """The chains of two or three."""
    writers: dict[Buffer, list[int]] = {}
    for number, instruction in enumerate(backward):
        for buffer in instruction.outputs:
            writers.setdefault(buffer.root, []).append(number)
    for number, instruction in enumerate(backward):
        if instruction.kernel == RELU_BACKWARD:
            chain = Chain(number, before_of(number, backward, writers, uses), bias_of(number, backward, writers))
            if chain.before is not None or chain.bias is not None:
                yield chain


def before_of(relu: int, backward: Sequence[Instruction], writers: dict[Buffer, list[int]], uses: Counter[Buffer]) -> int | None:
    """What makes a ReLU's gradient's input, if that can mask it and nobody else reads it."""
    dy, y = backward[relu].inputs
    if uses[dy.root] != 2 or len(writers.get(dy.root, ())) != 1 or dy.size != dy.root.size:
        return None
    (number,) = writers[dy.root]
    maker = backward[number]
    if maker.kernel not in (LRN, POOLING) or maker.outputs[0].size != dy.size:
        return None
    x = maker.inputs[0]
    if maker.kernel == LRN and not (x.root is y.root and x.size == y.size and x.byte_offset == y.byte_offset):
        return None
    between = {buffer.root for one in backward[number + 1 : relu] for buffer in one.outputs}
    return number if number < relu and between.isdisjoint(buffer.root for buffer in maker.inputs) else None


def bias_of(relu: int, backward: Sequence[Instruction], writers: dict[Buffer, list[int]]) -> int | None:
    """The first sum of what a ReLU's gradient makes, channel by channel, if that may as well be there earlier."""
    dx = backward[relu].outputs[0]
    if len(writers[dx.root]) != 1 or dx.size != dx.root.size:
        return None
    for number in range(relu + 1, len(backward)):
        one = backward[number]
        if one.kernel != BIAS or one.inputs[0].root is not dx.root:
            continue
        rows, db = one.inputs[0], one.outputs[0]
        between = {buffer.root for other in backward[relu + 1 : number] for buffer in other.buffers}
        whole = rows.size == dx.size and rows.shape[0] == 1
        return number if whole and db.root not in between and db.root is not backward[relu].inputs[0].root else None
    return None


def fused(relu: Instruction, before: Instruction | None, bias: Instruction | None) -> Instruction:
    """The instruction that replaces the ReLU's gradient and those fused with it, where the ReLU's is in the list."""
    dy, y = relu.inputs
    dx = relu.outputs[0]
    sums = bias.outputs if bias is not None else ()
    if before is None:
        assert bias is not None
        shape = bias.inputs[0].shape
        both = dy.view(shape), y.view(shape)
        return Instruction(RELU_BACKWARD + WITH_BIAS, both, (dx.view(shape), *sums), dict(relu.constants), relu.layer, inplace=True)
    made = before.outputs[0]
    inputs = before.inputs if before.kernel == LRN else (*before.inputs, y.view(made.shape))
    out = dx.view(bias.inputs[0].shape if bias is not None and before.kernel == LRN else made.shape)
    kernel = f"{before.kernel}_relu{WITH_BIAS * (bias is not None)}"
    return Instruction(kernel, inputs, (out, *sums), {**before.constants, **relu.constants}, before.layer)
