"""Fusion: an activation directly behind a product, a sum, or a BatchNorm with its Scale, is done by that kernel.

So is the sum of one of them and another array, as blocks of residual nets end: by a convolution's kernel, or a BatchNorm's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from netdef.layers.elementwise import relu_forward
from runtime.ir.program import Buffer, Instruction, Program

RELU = relu_forward.value.name  # the one activation that other kernels compute
SUM, CONVOLUTION = "add", "conv2d"
WITH_SUM = {CONVOLUTION: "conv2d_add", "normalize_scale": "normalize_scale_add"}  # kernels that are other ones with a sum
SUMS = {SUM: "add_relu", "scaled_add": "scaled_add_relu"}  # kernels that are other ones with a ReLU


def uses_of(program: Program, keep: str) -> Counter[Buffer]:
    """How often each buffer is written or read, by instructions or, where `keep` lets it be, after a run."""
    uses = Counter(buffer.root for instruction in program.instructions for buffer in instruction.buffers)
    readable = program.net.outputs if keep == "outputs" else program.blobs if keep == "versions" else program.net.blobs.values()
    uses.update(program.blobs[blob].root for blob in readable if blob in program.blobs)
    return uses


def fuse(program: Program, keep: str = "outputs") -> Program:
    """Fold each ReLU into the instruction that makes its input, if that can compute one and no other one reads the input; and each
    sum into a convolution or a BatchNorm with its Scale that makes one of its inputs, likewise.

    Backward stays as it is: relu_backward masks by the sign of the output, which both forms keep.

    Parameters
    ----------
    keep: what can be read after a run, as for `plan_memory`; a blob that can is made, even if only a ReLU reads it.
    """
    uses = uses_of(program, keep)
    makers: dict[Buffer, int] = {}
    forward: list[Instruction | None] = []
    fused_away: set[Buffer] = set()
    for given in program.forward:
        found = summand_of(given, forward, makers, uses)
        if found is not None:
            fused_away.add(found.outputs[0].root)
            forward[makers[found.outputs[0].root]] = None
        instruction = with_sum(found, given) if found is not None else given
        source = instruction.inputs[0].root if instruction.inputs else None
        whole = source is not None and instruction.inputs[0].size == source.size
        if instruction.kernel == RELU and source in makers and uses[source] == 2 and whole:
            maker = forward[makers[source]]
            assert maker is not None and source is not None
            target = instruction.outputs[0].root.view(maker.outputs[0].shape)
            merged = with_relu(maker, instruction.constants["slope"])
            forward[makers[source]] = replace(merged, outputs=(target, *maker.outputs[1:]))
            fused_away.add(source)
            continue
        if "relu" in instruction.constants or instruction.kernel in SUMS:
            makers[instruction.outputs[0].root] = len(forward)
        forward.append(instruction)
    blobs = {blob: buffer for blob, buffer in program.blobs.items() if buffer.root not in fused_away}
    return replace(program, forward=tuple(instruction for instruction in forward if instruction is not None), blobs=blobs)


def summand_of(
    instruction: Instruction, before: Sequence[Instruction | None], makers: Mapping[Buffer, int], uses: Counter[Buffer]
) -> Instruction | None:
    """What can add what a sum adds to it: the last instruction that makes one of its inputs, which only the sum reads."""
    if instruction.kernel != SUM:
        return None
    if any(buffer.root is instruction.outputs[0].root for buffer in instruction.inputs):
        return None  # a convolution writes its result before it adds the rest, which would be lost
    for source in sorted(instruction.inputs, key=lambda buffer: makers.get(buffer.root, -1), reverse=True):
        maker = before[makers[source.root]] if source.root in makers else None
        if maker is None or maker.kernel not in WITH_SUM or maker.constants["relu"] or uses[source.root] != 2:
            continue
        y, depthwise = maker.outputs[0], maker.kernel == CONVOLUTION and maker.inputs[1].shape[1] == 1
        whole = y.size == y.root.size == source.size == instruction.outputs[0].size
        between = {buffer.root for one in before[makers[source.root] + 1 :] if one for buffer in one.outputs}
        if whole and not depthwise and between.isdisjoint(buffer.root for buffer in maker.inputs):
            return maker
    return None


def with_sum(maker: Instruction, total: Instruction) -> Instruction:
    """An instruction that adds what a sum adds to its result."""
    y = maker.outputs[0]
    (other,) = (buffer for buffer in total.inputs if buffer.root is not y.root)
    target = total.outputs[0]
    made = target if target.shape == y.shape else target.view(y.shape)
    inputs = (*maker.inputs, other.view(y.shape))
    return replace(maker, kernel=WITH_SUM[maker.kernel], inputs=inputs, outputs=(made,))


def with_relu(maker: Instruction, slope: float) -> Instruction:
    """An instruction that applies a ReLU to what it makes."""
    if maker.kernel in SUMS:
        return replace(maker, kernel=SUMS[maker.kernel], constants={**maker.constants, "slope": slope})
    return replace(maker, constants={**maker.constants, "relu": True, "slope": slope})
