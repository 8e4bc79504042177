"""Blobs and parameters as users know them, and the buffers that hold them: one each, or a region on each of several devices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from netdef.graph.cuts import Region, length
from runtime.ir.program import Buffer, Program

if TYPE_CHECKING:
    from netdef.graph.layer import Blob, Parameter
    from netdef.graph.net import Net
    from runtime.ir.division import Shard

Index = tuple[slice, ...]
Reader = Callable[[Buffer], np.ndarray]
Writer = Callable[[Buffer, np.ndarray], None]


@dataclass(frozen=True)
class BufferRegion:
    """A buffer, and where what it holds lies in the whole: pairs of an index into the whole and one into the held.

    None: it is the whole.  span: of that it holds a run of elements only.
    """

    buffer: Buffer
    indices: Sequence[tuple[Index, Index]] | None = None
    span: tuple[int, int] | None = None

    @property
    def is_whole(self) -> bool:
        return self.indices is None and self.span is None

    def cut(self, whole: np.ndarray) -> np.ndarray:
        """This region of the whole."""
        region = self._region(whole)
        return region if self.span is None else region.reshape(-1)[slice(*self.span)]

    def _region(self, whole: np.ndarray) -> np.ndarray:
        """What the indices say of the whole."""
        if self.indices is None:
            return whole
        if len(self.indices) == 1:
            return whole[self.indices[0][0]]
        axis = len(self.indices[0][0]) - 1
        return np.concatenate([whole[index] for index, _ in self.indices], axis)

    def put(self, whole: np.ndarray, values: np.ndarray) -> None:
        """Give this region of the whole its values."""
        if self.span is None:
            for index, own in self.indices or ():
                whole[index] = values[own]
        elif self.indices is None:
            whole.reshape(-1)[slice(*self.span)] = values.reshape(-1)
        else:
            region = self._region(whole).copy()
            region.reshape(-1)[slice(*self.span)] = values.reshape(-1)
            replace(self, span=None).put(whole, region)

    def add(self, whole: np.ndarray, values: np.ndarray) -> None:
        """Add this region's values to the whole."""
        region = self.cut(whole)
        self.put(whole, region + values.reshape(region.shape))


class BufferMap:
    """Which buffers of a program hold which blobs, parameters, gradients and states of the net that was written."""

    def __init__(self, program: Program):
        self.program, self.division = program, program.division
        self.net: Net = program.division.whole if program.division else program.net

    def blob(self, blob: Blob) -> list[BufferRegion]:
        """The regions of a blob, in the users' order of axes; together they are all of it.  Empty if no kernel makes it."""
        return list(self._of_blob(blob, self.program.blobs))

    def gradient(self, blob: Blob) -> list[BufferRegion]:
        """The regions of a blob's gradient, whose sum it is."""
        return list(self._of_blob(blob, self.program.gradients))

    def seed(self, blob: Blob) -> list[BufferRegion]:
        """The regions of what the host gives as a blob's gradient."""
        return list(self._of_blob(blob, self.program.seeds))

    @property
    def remembered(self) -> dict[Blob, list[BufferRegion]]:
        """The blobs of which something stays from every run, and the rings where that of their regions does."""
        rings = self.program.remembered
        return {blob: list(self._of_blob(blob, rings)) for blob in self._whole(rings)}

    @property
    def seeded(self) -> list[Blob]:
        """The blobs whose gradient the host gives."""
        return self._whole(self.program.seeds)

    @property
    def with_gradient(self) -> list[Blob]:
        """The blobs that have a gradient."""
        return self._whole(self.program.gradients)

    def _whole(self, table: Mapping[Blob, Buffer]) -> list[Blob]:
        if self.division is None:
            return list(table)
        return [blob for blob, pieces in self.division.pieces.items() if any(piece.blob in table for piece in pieces)]

    def _of_blob(self, blob: Blob, table: Mapping[Blob, Buffer]) -> Iterator[BufferRegion]:
        if self.division is None:
            if blob in table:
                yield BufferRegion(table[blob])
            return
        for piece in self.division.pieces[blob]:
            if piece.blob in table:
                yield BufferRegion(table[piece.blob], indices_of(piece.region, blob.shape))

    def parameters(self) -> dict[Parameter, list[BufferRegion]]:
        """The regions of every parameter that owns its array."""
        if self.division is None:
            return {parameter: [BufferRegion(buffer)] for parameter, buffer in self.program.parameters.items()}
        return {owner: self._of_shards(shards, self.program.parameters) for owner, shards in self.division.shards.items()}

    def parameter(self, owner: Parameter) -> list[BufferRegion]:
        """The regions of a parameter; copies are as good as each other."""
        if self.division is None:
            return [BufferRegion(self.program.parameters[owner])]
        return self._of_shards(self.division.shards[owner], self.program.parameters)

    def parameter_gradient(self, owner: Parameter) -> list[BufferRegion]:
        """The regions of a parameter's gradient; empty if it has none."""
        return self._learned(owner, self.program.parameter_gradients)

    def state(self, owner: Parameter, name: str) -> list[BufferRegion]:
        """The regions of a solver's state; empty if there is no such state."""
        return self._learned(owner, {p: buffer for (p, state), buffer in self.program.states.items() if state == name})

    def _learned(self, owner: Parameter, table: Mapping[Parameter, Buffer]) -> list[BufferRegion]:
        if self.division is None:
            return [BufferRegion(table[owner])] if owner in table else []
        return self._of_shards(self.division.learned.get(owner) or self.division.shards[owner], table)

    @staticmethod
    def _of_shards(shards: Sequence[Shard], table: Mapping[Parameter, Buffer]) -> list[BufferRegion]:
        regions = []
        for shard in shards:
            if shard.parameter in table:
                runs = None
                if shard.cut is not None:
                    ahead = (slice(None),) * shard.cut.axis
                    runs = [((*ahead, slice(*run)), (*ahead, own)) for run, own in numbered(shard.cut.runs)]
                regions.append(BufferRegion(table[shard.parameter], runs, shard.span))
        return regions


def indices_of(region: Region, shape: tuple[int, ...]) -> list[tuple[Index, Index]] | None:
    """Where a region lies in a blob of this shape; None if it is all of it."""
    if region.shape(shape) == shape:
        return None
    images = slice(*region.images)
    if not region.channels:
        return [((images,), (slice(None),))]
    return [((images, slice(*run)), (slice(None), own)) for run, own in numbered(region.channels)]


def numbered(runs: tuple[tuple[int, int], ...]) -> Iterator[tuple[tuple[int, int], slice]]:
    """Each run with where it comes when all follow one another."""
    for index, run in enumerate(runs):
        begin = length(runs[:index])
        yield run, slice(begin, begin + run[1] - run[0])


def gathered(regions: Sequence[BufferRegion], shape: tuple[int, ...], read: Reader) -> np.ndarray:
    """The whole from its regions; those that overlap are copies."""
    for held in regions:
        if held.is_whole:
            return read(held.buffer)
    whole = np.zeros(shape, np.float32)
    for held in regions:
        held.put(whole, read(held.buffer))
    return whole


def summed(regions: Sequence[BufferRegion], shape: tuple[int, ...], read: Reader) -> np.ndarray:
    """The sum of regions that are zero where they have nothing."""
    if len(regions) == 1 and regions[0].is_whole:
        return read(regions[0].buffer)
    whole = np.zeros(shape, np.float32)
    for held in regions:
        if held.is_whole:
            whole += read(held.buffer)
        else:
            held.add(whole, read(held.buffer))
    return whole


def scattered(regions: Sequence[BufferRegion], whole: np.ndarray, write: Writer) -> None:
    """Give every region its values."""
    for held in regions:
        write(held.buffer, held.cut(whole))
