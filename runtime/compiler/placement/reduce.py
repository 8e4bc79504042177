"""Gradients that all ranks hold, added up by the library between them: MPI, or NCCL between cards.

The library adds in an order of its own, which depends on the number of ranks.  As where sums are ordered, each slice of a weight
has one device, its root, which alone gets the sum, updates the slice and sends it to the others: copies stay equal to the bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from runtime.ir.program import REDUCE, Buffer, Instruction


@dataclass(frozen=True)
class Slice:
    """A piece of a gradient as each device has it.  root: the device that gets the sum.  layer: whose."""

    root: int
    buffers: Mapping[int, Buffer]
    layer: str

    @property
    def bytes(self) -> int:
        return self.buffers[self.root].bytes


def reduced(slices: Iterable[Slice], most: int) -> Iterator[Instruction]:
    """The sums over all devices, those with the same root together in messages of about `most` bytes.

    The instructions of one sum follow one another, also where updates come early: ranks that put messages on one queue would
    wait for each other if one had a message of later between them.
    """
    filling: dict[int, list[Slice]] = {}
    for one in slices:
        before = filling.get(one.root, [])
        if before and sum(slice_.bytes for slice_ in [*before, one]) > most:
            yield from _sum(before)
            before = []
        filling[one.root] = [*before, one]
    for waiting in filling.values():
        yield from _sum(waiting)


def _sum(slices: Sequence[Slice]) -> Iterator[Instruction]:
    """Every device's side of one sum, in their order."""
    last = slices[-1]
    for device in sorted(last.buffers):
        buffers = tuple(one.buffers[device] for one in slices)
        yield Instruction(REDUCE, buffers, buffers, {"root": last.root, "last": device == max(last.buffers)}, last.layer)
