"""How a net is divided over devices: which region of each blob, and which cut of each parameter, each of them has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from netdef.graph.cuts import Cut, Region, Run
from netdef.graph.layer import Blob, Parameter
from netdef.graph.net import Net


@dataclass(frozen=True)
class Piece:
    """A region of a blob of the whole net, as a blob of the divided one."""

    device: int
    blob: Blob
    region: Region


@dataclass(frozen=True)
class Shard:
    """A cut of a parameter of the whole net, as a parameter of the divided one.

    cut: which; None for all of it.  span: of that only some elements, in memory's order.
    """

    device: int
    parameter: Parameter
    cut: Cut | None = None
    span: Run | None = None


@dataclass
class Division:
    """A net divided over devices.

    Attributes
    ----------
    whole: the net as it was written.  net: the same work as layers that each have a device.
    pieces: of each of its blobs; together they hold all of it, some things perhaps twice.
    shards: of each parameter that owns its array: all of it once, or copies.
    learned: the slices of copies that each device updates.
    hosts: by device of the net, which of the machine's devices has its share; by default each its own.
    nodes: groups of as many devices, within which "hybrid" cuts channels.
    """

    whole: Net
    devices: int
    net: Net
    pieces: Mapping[Blob, Sequence[Piece]]
    shards: Mapping[Parameter, Sequence[Shard]]
    learned: Mapping[Parameter, Sequence[Shard]] = field(default_factory=dict)
    hosts: Sequence[int] = ()
    nodes: int = 1

    def region(self, blob: Blob) -> tuple[Region, tuple[int, ...]] | None:
        """Which region of which shape a blob of the divided net is; None for what is no region."""
        return self._regions.get(blob)

    def __post_init__(self) -> None:
        self.hosts = self.hosts or range(self.devices)
        self._regions = {piece.blob: (piece.region, blob.shape) for blob, ps in self.pieces.items() for piece in ps}
