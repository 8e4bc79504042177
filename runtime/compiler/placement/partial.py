"""Gradients that came back for regions of a blob only, joined to one for all of it, always in the same order."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

from netdef.graph.cuts import Run, overlap
from runtime.ir.builder import Builder, Partial
from runtime.ir.program import Buffer, Instruction, internal_shape
from runtime.ops.transfer.lower import channels_in, images_in, put

if TYPE_CHECKING:
    from netdef.graph.layer import Blob


def join_partials(build: Builder) -> None:
    """Make whole contributions out of partial ones, so that what follows need not know of regions.

    What comes from one reader's shares and does not overlap is put together (a blob on one device whose readers have a region
    each); what does (the seam of an LRN) is added to the rest.
    """
    for blob, partials in build.partial_contributions.items():
        joint = _Joint(build, blob)
        for demand in dict.fromkeys(partial.demand for partial in partials):
            joint.take([partial for partial in partials if partial.demand is demand])
        build.backward_lists[blob.producer][:0] = joint.instructions()


class _Joint:
    """The instructions that join the partial gradients of one blob."""

    def __init__(self, build: Builder, blob: Blob):
        self.build, self.blob, self.shape = build, blob, internal_shape(blob.shape)
        self.images, self.channels = images_in(self.shape), channels_in(self.shape)
        self.wholes = build.contributions.setdefault(blob, [])
        self.seams: list[Partial] = []
        self.lists: list[Instruction] = []

    def take(self, partials: list[Partial]) -> None:
        if any(_overlap(a, b) for a, b in combinations(partials, 2)) or (self.wholes and all(map(self._of_all_images, partials))):
            self.seams += partials
            return
        total = self._new(f"{self.blob}.grad.joined")
        covered = sum(map(_count, partials)) == self.channels * self.images
        by_channels = all(map(self._of_all_images, partials))
        if by_channels:
            for gap in _gaps([partial.channels for partial in partials], self.channels):
                self._append("fill", (), self._rows(total, gap), value=0.0)
        elif not covered:
            self._append("fill", (), total.flat(), value=0.0)
        for partial in partials:
            fresh = partial.fresh and (covered or by_channels)  # else it would be written before the zeros are
            instruction = put(self.build, partial.buffer, total, partial.channels, partial.images, fresh)
            if instruction is not None:
                self.lists.append(replace(instruction, layer=self.blob.producer.name))
        self.wholes.append(total)

    def instructions(self) -> list[Instruction]:
        """The instructions; what they make is from now on the blob's one contribution."""
        if not self.seams and len(self.wholes) == 1:
            return self.lists
        total = self._new(f"{self.blob}.grad.sum")
        first, rest = (self.wholes[0], self.wholes[1:]) if self.wholes else (None, [])
        if first is None:
            self._append("fill", (), total.flat(), value=0.0)
        elif rest:
            self._append("add", (first.flat(), rest[0].flat()), total.flat())
        else:
            self._append("copy", (first.flat(),), total.flat())
        for other in rest[1:]:
            self._append("add", (total.flat(), other.flat()), total.flat())
        for seam in self.seams:
            rows = self._rows(total, seam.channels)
            self._append("add", (rows, seam.buffer), rows)
        self.build.contributions[self.blob] = [total]
        return self.lists

    def _rows(self, total: Buffer, channels: Run) -> Buffer:
        unit = total.size // self.channels
        return total.view(((channels[1] - channels[0]) * unit,), channels[0] * unit)

    def _append(self, kernel: str, inputs: tuple[Buffer, ...], output: Buffer, **constants: float) -> None:
        self.lists.append(Instruction(kernel, inputs, (output,), constants, self.blob.producer.name))

    def _new(self, name: str) -> Buffer:
        return Buffer(name, self.shape, "gradient", device=self.blob.producer.device)

    def _of_all_images(self, partial: Partial) -> bool:
        return partial.images == (0, self.images)


def _overlap(a: Partial, b: Partial) -> bool:
    return bool(overlap((a.channels,), (b.channels,)) and overlap((a.images,), (b.images,)))


def _gaps(runs: list[Run], end: int) -> list[Run]:
    """What of [0, end) lies in none of the runs, which do not overlap."""
    edges = [0, *(edge for run in sorted(runs) for edge in run), end]
    return [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b]


def _count(partial: Partial) -> int:
    return (partial.channels[1] - partial.channels[0]) * (partial.images[1] - partial.images[0])
