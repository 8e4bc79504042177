"""Fusion of BatchNorm and the Scale behind it in training: one kernel forward, two backward, and no blob between the two.

With y = (x - mean) * inverse and z = y * factor + bias, the sums that Scale's gradients are, of dz * y and of dz, are all that
BatchNorm's needs too:

    dx = (dz - sum(dz) / R - y * sum(dz * y) / R) * inverse * factor

y is computed anew from x where backward reads it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from runtime.compiler.passes.fuse import uses_of
from runtime.ir.program import Buffer, Instruction, Program


@dataclass(frozen=True)
class Pair:
    """The instructions of a BatchNorm and a Scale.

    Attributes
    ----------
    normalize, scale: forward.
    to_y, scale_terms, scale_sums: Scale's backward, the gradient of y and those of its parameters.
    terms, sums, to_x: BatchNorm's.
    """

    normalize: Instruction
    scale: Instruction
    to_y: Instruction
    scale_terms: Instruction
    scale_sums: Instruction
    terms: Instruction
    sums: Instruction
    to_x: Instruction

    @property
    def gone(self) -> tuple[Instruction, ...]:
        return self.normalize, self.to_y, self.terms, self.sums

    def fused(self) -> Mapping[Instruction, Instruction]:
        """What takes the place of the instructions that stay."""
        x, mean, inverse = self.normalize.inputs
        _, factor, bias = self.scale.inputs
        (z,), (dz, _) = self.scale.outputs, self.scale_terms.inputs
        products, totals = self.scale_sums.outputs
        shape = x.shape
        forward = Instruction(
            "normalize_scale", (x, mean, inverse, factor, bias), (z.view(shape),), {"relu": False, "slope": 0.0}, self.scale.layer
        )
        of_terms = (dz.view(shape), x, mean, inverse), self.scale_terms.outputs
        of_x = (dz.view(shape), x, mean, inverse, factor, products.flat(), totals.flat()), self.to_x.outputs
        return {
            self.scale: forward,
            self.scale_terms: Instruction("normalize_scale_terms", *of_terms, {}, self.scale.layer),
            self.to_x: Instruction("normalize_scale_backward", *of_x, {}, self.to_x.layer),
        }


def fuse_scale(program: Program, keep: str) -> Program:
    """Fuse each pair of which nobody else reads what lies between, in a program with backward.

    Parameters
    ----------
    keep: what can be read after a run, as for `plan_memory`; "versions" and "all" leave everything as it is: gradients are read.
    """
    if not program.backward or keep in ("versions", "all"):
        return program
    pairs = list(pairs_of(program, keep))
    gone = {instruction for pair in pairs for instruction in pair.gone}
    fused = {old: new for pair in pairs for old, new in pair.fused().items()}
    between = {pair.normalize.outputs[0].root for pair in pairs} | {pair.to_y.outputs[0].root for pair in pairs}
    return replace(
        program,
        forward=tuple(fused.get(one, one) for one in program.forward if one not in gone),
        backward=tuple(fused.get(one, one) for one in program.backward if one not in gone),
        blobs={blob: buffer for blob, buffer in program.blobs.items() if buffer.root not in between},
        gradients={blob: buffer for blob, buffer in program.gradients.items() if buffer.root not in between},
    )


def pairs_of(program: Program, keep: str) -> Iterator[Pair]:
    """The pairs that can be fused."""
    uses = uses_of(program, keep)
    users: dict[Buffer, list[Instruction]] = {}
    for instruction in program.instructions:
        for root in dict.fromkeys(buffer.root for buffer in instruction.buffers):
            users.setdefault(root, []).append(instruction)
    for instruction in program.forward:
        if instruction.kernel == "normalize_channels":
            pair = pair_of(instruction, users, uses)
            if pair is not None:
                yield pair


def pair_of(normalize: Instruction, users: Mapping[Buffer, list[Instruction]], uses: Counter[Buffer]) -> Pair | None:
    """A BatchNorm and what follows it, if these are the instructions of a Scale and of both backward, and no others."""
    y = normalize.outputs[0].root
    kernels = ["normalize_channels", "scale_add_rows", "product_terms", "product_terms", "normalize_channels_backward"]
    if uses[y] != len(kernels) or [one.kernel for one in users[y]] != kernels:
        return None
    _, scale, scale_terms, terms, to_x = users[y]
    dy, dz = terms.inputs[0].root, scale_terms.inputs[0].root
    to_y, *readers = users[dy]
    inner = [terms.outputs[0].root, *(buffer.root for buffer in to_x.inputs[3:])]
    alone = uses[dy] == 3 and readers == [terms, to_x] and all(uses[root] == 2 for root in inner)
    same = to_y.kernel == "scale_rows" and [buffer.root for buffer in to_y.inputs] == [dz, scale.inputs[1].root]
    rows = scale.inputs[0].shape == (1, *normalize.outputs[0].shape)
    if not (alone and same and rows):
        return None
    (scale_sums,), (sums,) = (users[one.outputs[0].root][1:] for one in (scale_terms, terms))
    return Pair(normalize, scale, to_y, scale_terms, scale_sums, terms, sums, to_x)
