"""The memory of a program on its devices: arenas, and the arrays in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from runtime.compiler.passes.plan_memory import LEARNING
from runtime.ir.program import NARROW, PARAMETERS, STATES, WORKING, Buffer, Program, arena_of
from runtime.machine.device import Device, Wait
from runtime.machine.ranks.ranks import Ranks
from runtime.machine.ranks.remote import RemoteDevice
from runtime.machine.ranks.shares import remote_shares
from runtime.ops.halves.forms import narrow_bf16, widen_bf16

HELD = {NARROW: "uint16"}  # types that NumPy lacks, by what the arrays are of
LASTING = ("parameter", *LEARNING)  # roles of what stays as it is when shapes change


def _known_by(buffer: Buffer) -> tuple[Any, ...]:
    """By what a buffer is known again in another program of the same net."""
    return buffer.name, buffer.device, buffer.shape, buffer.dtype


class Memory:
    """Where a program's buffers are.

    Parameters
    ----------
    own_parameters: whether it has parameters of its own; else they are adopted from another memory, one by one.
    before: the memory of the same net with other shapes, which this one takes the place of: parameters and states stay where they
        are, and working memory is taken over where it suffices.
    ranks: this process among others that have the other shares; `read` and `read_all` then take all of them.
    """

    def __init__(
        self,
        program: Program,
        devices: Sequence[Device],
        own_parameters: bool,
        before: Memory | None = None,
        ranks: Ranks | None = None,
    ):
        assert program.plan is not None
        self._plan, self._devices, self._ranks = program.plan, devices, ranks
        self._remote = remote_shares(devices)
        self._copies = dict(_copies_here(program, devices, ranks)) if ranks is not None else {}
        self._only_here = False
        self._arrays: dict[Buffer, Any] = {}
        self._adopted: dict[Buffer, tuple[Memory, Buffer]] = {}
        self._set: dict[Buffer, float] = {}  # what the host has set, as long as it stays
        self._written = {output.root for instruction in program.instructions for output in instruction.outputs}
        self._sizes: dict[str, int] = {}
        self._arenas: dict[str, Any] = {}
        kinds = [WORKING]
        if before is not None:
            self._adopt_lasting(before)
        if before is None or any(arena.startswith(STATES) for buffer, arena in self._own()):
            kinds.append(STATES)
        if own_parameters and before is None:
            kinds.append(PARAMETERS)
        for index, device in enumerate(devices):
            for arena in (arena_of(kind, index) for kind in kinds):
                self._take(arena, self._plan.arenas[arena], device, before)

    def _take(self, arena: str, size: int, device: Device, before: Memory | None) -> None:
        """Memory of at least this size: the one before where it suffices, else a new one."""
        if before is not None and before._sizes.get(arena, -1) >= size and not arena.startswith(STATES):
            self._arenas[arena], self._sizes[arena] = before._arenas[arena], before._sizes[arena]
        else:
            self._arenas[arena], self._sizes[arena] = device.allocate(size), size

    def _own(self) -> Iterator[tuple[Buffer, str]]:
        """The buffers that are not another memory's, each with its arena."""
        return ((buffer, arena) for buffer, (arena, _) in self._plan.offsets.items() if buffer not in self._adopted)

    def _adopt_lasting(self, before: Memory) -> None:
        """Let parameters and states be those of before, by name; states whose shape is another begin anew."""
        theirs = {_known_by(buffer): buffer for buffer in before._plan.offsets if buffer.role in LASTING}
        for buffer in self._plan.offsets:
            if buffer.role in LASTING and _known_by(buffer) in theirs:
                self._adopted[buffer] = before._home(theirs[_known_by(buffer)])

    def _home(self, buffer: Buffer) -> tuple[Memory, Buffer]:
        """The memory that holds a root buffer, and what it is called there."""
        return self._adopted.get(buffer, (self, buffer))

    def leave(self) -> None:
        """Let go of working memory, when another memory has taken its place."""
        for index in range(len(self._devices)):
            self._arenas.pop(arena_of(WORKING, index))
        self._arrays = {buffer: array for buffer, array in self._arrays.items() if buffer.root.role in LASTING}

    def array(self, buffer: Buffer) -> Any:
        """The device's array of a buffer."""
        if buffer not in self._arrays:
            arena, begin = self._locate(buffer)
            self._arrays[buffer] = self._devices[buffer.device].array(
                arena, begin, buffer.shape, HELD.get(buffer.dtype, buffer.dtype)
            )
        return self._arrays[buffer]

    @property
    def allocated(self) -> int:
        """Bytes of the arenas that are here."""
        return sum(self._sizes[arena] for arena, memory in self._arenas.items() if memory is not None)

    def _locate(self, buffer: Buffer) -> tuple[Any, int]:
        """The arena that a buffer lies in, and its first byte there."""
        other, theirs = self._home(buffer.root)
        if other is not self:
            arena, begin = other._locate(theirs)
            return arena, begin + buffer.byte_offset
        name, begin, _ = self._plan.span(buffer)
        return self._arenas[name], begin

    def adopt(self, buffer: Buffer, other: Memory, theirs: Buffer) -> None:
        """Let a buffer, and so every view of it, be another memory's.  What is bound to it is bound anew by the caller."""
        self._adopted[buffer] = other._home(theirs)
        self._arrays = {known: array for known, array in self._arrays.items() if known.root is not buffer}

    def recycles(self, buffer: Buffer) -> bool:
        """Whether others use a buffer's memory in turn, so that it cannot be read after a run."""
        return buffer.root in self._plan.recycled

    def read(self, buffer: Buffer) -> np.ndarray:
        """A copy, in internal layout.

        Raises
        ------
        RankError: another rank has failed.
        """
        buffer = self._copies.get(buffer, buffer)
        device, is_here = self._devices[buffer.device], buffer.device not in self._remote
        if buffer.dtype == NARROW:  # which no program of several ranks has
            return widen_bf16(device.read(self.array(buffer)))
        if self._ranks is None or self._only_here or buffer in self._copies:
            return device.read(self.array(buffer)) if is_here else np.zeros(buffer.shape, buffer.dtype)
        values = device.read(self.array(buffer)) if is_here else np.empty(buffer.shape, buffer.dtype)
        root = device.rank if isinstance(device, RemoteDevice) else self._ranks.rank
        self._ranks.spread(values.reshape(-1).view(np.uint8), root)
        return values

    def read_all(self, buffers: Sequence[Buffer]) -> list[np.ndarray]:
        """Copies of several small buffers at once; raises as `read`."""
        if self._ranks is None or self._only_here:
            return [self.read(buffer) for buffer in buffers]
        mine = {
            number: self._devices[buffer.device].read(self.array(buffer))
            for number, buffer in enumerate(buffers)
            if buffer.device not in self._remote
        }
        every = {number: values for held in self._ranks.exchange(mine) for number, values in held.items()}
        return [every[number] for number in range(len(buffers))]

    @contextmanager
    def only_here(self) -> Iterator[None]:
        """Read this rank's memory alone, zeros for what others have: for what other ranks do not read at the same time."""
        before, self._only_here = self._only_here, True
        try:
            yield
        finally:
            self._only_here = before

    def write(self, buffer: Buffer, values: np.ndarray) -> None:
        """Copy from the host; broadcast as NumPy does."""
        self._set.pop(buffer.root, None)
        if buffer.dtype == NARROW:
            values = narrow_bf16(np.ascontiguousarray(np.broadcast_to(values, buffer.shape), np.float32))
        self._devices[buffer.device].write(self.array(buffer), values)

    def set(self, buffer: Buffer, value: float) -> None:
        """Let every element be `value`; nothing is copied where the host set the same before and no kernel writes there."""
        if self._set.get(buffer.root) != value:
            self.write(buffer, np.asarray(value, "float32" if buffer.dtype == NARROW else buffer.dtype))
            if buffer.root not in self._written:
                self._set[buffer.root] = value

    def upload(self, buffer: Buffer, values: np.ndarray) -> Wait | None:
        """`write`, for data that are written for every run; see `Device.upload`."""
        self._set.pop(buffer.root, None)
        return self._devices[buffer.device].upload(self.array(buffer), values)

    def host_array(self, shares: Iterable[int], shape: tuple[int, ...], dtype: str) -> np.ndarray:
        """A new array of the host's, from which these shares' devices copy as fast as they can."""
        for share in shares:
            array = self._devices[share].host_array(shape, dtype)
            if array is not None:
                return array
        return np.empty(shape, dtype)


def _copies_here(program: Program, devices: Sequence[Device], ranks: Ranks) -> Iterator[tuple[Buffer, Buffer]]:
    """The buffers of parameters that every rank holds whole, each with this rank's own copy, which is read instead."""
    for shards in (program.division.shards if program.division else {}).values():
        holders = {device.rank if isinstance(device := devices[shard.device], RemoteDevice) else ranks.rank for shard in shards}
        if len(holders) == ranks.size and all(shard.cut is None for shard in shards):
            buffers = [program.parameters[shard.parameter] for shard in shards if shard.parameter in program.parameters]
            mine = [buffer for buffer in buffers if not isinstance(devices[buffer.device], RemoteDevice)]
            yield from ((buffer, mine[0]) for buffer in buffers if mine)
