"""The stages of a picture of a net, and the wires between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod
from typing import Any

from netdef.graph.layer import Blob, Layer
from netdef.graph.net import Net
from netdef.graph.shape import BYTES_PER_ELEMENT, Shape
from netdef.graph.towers import towers
from netdef.shapes import output_text

MOST_TOWERS = 4  # with more, as in ResNeXt, the groups are written, not drawn


@dataclass(eq=False)
class Stage:
    """A layer as it is drawn, with those that work in place on its result.

    Attributes
    ----------
    layers: the layer itself, then the ones in place.
    shape: what it makes, of one image; () for a scalar.
    towers: in how many runs of channels it is drawn.
    labels: names of blobs it reads that are not drawn as wires: labels straight from the data.
    device: which of several devices runs it. images: how many of a batch it makes there; 0 for all of them.
    same: stages that are not drawn, as this one stands for them. note: said behind its type.
    """

    layers: list[Layer]
    shape: Shape
    output: str
    towers: int
    labels: list[str] = field(default_factory=list)
    device: int = 0
    images: int = 0
    same: list[Stage] = field(default_factory=list)
    note: str = ""

    @property
    def layer(self) -> Layer:
        return self.layers[0]

    @property
    def name(self) -> str:
        return self.layer.name

    @property
    def kind(self) -> str:
        return self.layer.kind

    @property
    def in_place(self) -> list[Layer]:
        return self.layers[1:]

    @property
    def parameters(self) -> int:
        return sum(layer.parameter_count for layer in self.layers)

    @property
    def macs(self) -> int:
        return sum(layer.macs for layer in self.layers)

    @property
    def family(self) -> str:
        """The prefix of its name that it may share with others: inception_3a of inception_3a/5x5."""
        return self.name.rpartition("/")[0]


@dataclass(eq=False)
class Wire:
    """A blob on its way from the stage that makes it to one that reads it.

    Attributes
    ----------
    apart: whether each tower of the reader reads only the tower beside it.
    sent: bytes of a batch that are sent for it from device to device; what several stages read counts once.
    """

    source: Stage
    target: Stage
    blob: Blob
    apart: bool
    sent: int = 0

    @property
    def crosses(self) -> bool:
        """Whether it goes from device to device."""
        return self.source.device != self.target.device


@dataclass
class Drawing:
    """A net as it is drawn; `whole` is the net before it was placed on several devices."""

    net: Net
    whole: Net
    stages: list[Stage]
    wires: list[Wire]

    @property
    def straight(self) -> bool:
        """Whether the net goes straight on: only the last stage with weights has two readers, none reads two or stands apart."""
        readers: dict[Stage, int] = {}
        for wire in self.wires:
            if wire.target.kind not in ("loss", "result"):
                readers[wire.source] = readers.get(wire.source, 0) + 1
        read = [wire.target for wire in self.wires]
        apart = {stage for stage in self.stages if stage.layer.bottoms and not stage.labels} - set(read)
        return max(readers.values(), default=0) <= 1 and len(read) == len(set(read)) and not apart


def drawing_of(net: Net, whole: Net | None = None) -> Drawing:
    """The stages of a net in their order, and the wires between them."""
    drawn_in = towers(net)
    batch = (whole or net).batch
    stage_of: dict[Layer, Stage] = {}
    stages: list[Stage] = []
    for layer in net.layers:
        if layer.is_transfer:
            continue
        if layer.tops and all(layer.in_place) and len(layer.bottoms) == 1 and layer.bottoms[0].producer in stage_of:
            stage_of[layer] = stage_of[layer.bottoms[0].producer]
            stage_of[layer].layers.append(layer)
            continue
        top = layer.tops[0] if layer.tops else None
        made = top.shape if top is not None else ()
        count = made[0] if made and (whole is not None or made[0] == batch) else None
        shape = made if count is None else made[1:]
        output = "" if top is None else output_text(made, 1, count)
        if top is not None and not top.is_sized:
            shape = ()
        groups = drawn_in[top] if top is not None and drawn_in[top] <= MOST_TOWERS else 1
        images = count or 0 if whole is not None and count != batch else 0
        stage_of[layer] = stage = Stage([layer], shape, output, groups, device=layer.device, images=images)
        stages.append(stage)
    return Drawing(net, whole or net, stages, _wires(net, stage_of))


def _wires(net: Net, stage_of: dict[Layer, Stage]) -> list[Wire]:
    wires: dict[tuple[Stage, Stage], Wire] = {}
    counted: set[tuple[Layer, Blob]] = set()
    for layer in net.layers:
        for bottom in layer.bottoms if layer in stage_of else ():
            for blob, transfer, piece in origins(bottom):
                source, target = stage_of[blob.producer], stage_of[layer]
                if source is target:
                    continue
                if is_label(blob):
                    target.labels.append(blob.name)
                    continue
                wire = wires.setdefault((source, target), Wire(source, target, blob, _apart(source, target)))
                if transfer is not None and wire.crosses and (transfer, piece) not in counted:
                    counted.add((transfer, piece))
                    wire.sent += sent_bytes(transfer, piece)
    return list(wires.values())


def origins(blob: Blob) -> Iterator[tuple[Blob, Layer | None, Blob]]:
    """The blobs that a blob is put together from; the transfer that does so, None for the blob itself; what that reads of each."""
    if not blob.producer.is_transfer:
        yield blob, None, blob
        return
    for piece in blob.producer.bottoms:
        for origin, _, _ in origins(piece):
            yield origin, blob.producer, piece


def sent_bytes(transfer: Any, blob: Blob) -> int:
    """How much of a blob a transfer moves."""
    each = prod(blob.shape[2:]) * BYTES_PER_ELEMENT
    moves = [move for move in transfer.moves if transfer.bottoms[move.bottom] is blob]
    return sum((m.channels[1] - m.channels[0]) * (m.images[1] - m.images[0]) * each for m in moves)


def is_label(blob: Blob) -> bool:
    """Whether a blob is one number an image straight from the data: drawn as a wire it would cross the whole net."""
    return blob.producer.is_source and prod(blob.shape[1:]) == 1


def _apart(source: Stage, target: Stage) -> bool:
    groups = target.layer.channel_groups
    if groups is None:
        groups = source.towers
    return source.towers > 1 and target.towers == source.towers and groups % source.towers == 0
