"""What is drawn of a net: its stages, and the wires between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

from netdef.draw.theme import kind_of
from netdef.graph import Blob, Net, Shape
from netdef.layers.base import Layer
from netdef.shapes import batch_of, output_text
from netdef.towers import towers

MOST_TOWERS = 4  # with more, as in ResNeXt, the groups are told, not drawn


@dataclass(eq=False)
class Stage:
    """A layer as it is drawn, with those that work in place on its result.

    Attributes
    ----------
    layers: the layer itself, then the ones in place.
    shape: what it makes, of one image; () for a scalar.
    towers: in how many runs of channels it is drawn.
    labels: names of blobs it reads that are not drawn as wires: labels straight from the data.
    """

    layers: list[Layer]
    shape: Shape
    output: str
    towers: int
    labels: list[str] = field(default_factory=list)

    @property
    def layer(self) -> Layer:
        return self.layers[0]

    @property
    def name(self) -> str:
        return self.layer.name

    @property
    def kind(self) -> str:
        return kind_of(self.layer.type, self.layer.is_source, self.layer.is_loss)

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
        """The part of its name that it may share with others: inception_3a of inception_3a/5x5."""
        return self.name.rpartition("/")[0]


@dataclass(eq=False)
class Wire:
    """A blob on its way from the stage that makes it to one that reads it.

    Attributes
    ----------
    apart: whether each tower of the reader reads the tower beside it alone.
    """

    source: Stage
    target: Stage
    blob: Blob
    apart: bool


@dataclass
class Drawing:
    net: Net
    stages: list[Stage]
    wires: list[Wire]

    @property
    def straight(self) -> bool:
        """Whether the net goes straight on: no stage but the last one with weights has two readers, none reads two."""
        readers: dict[Stage, int] = {}
        for wire in self.wires:
            if wire.target.kind not in ("loss", "result"):
                readers[wire.source] = readers.get(wire.source, 0) + 1
        read = [wire.target for wire in self.wires]
        return max(readers.values(), default=0) <= 1 and len(read) == len(set(read))


def drawing_of(net: Net) -> Drawing:
    """The stages of a net in their order, and the wires between them."""
    drawn_in = towers(net)
    batch = batch_of(net)
    stage_of: dict[Layer, Stage] = {}
    stages: list[Stage] = []
    for layer in net.layers:
        if layer.tops and all(layer.in_place) and len(layer.bottoms) == 1:
            stage_of[layer] = stage_of[layer.bottoms[0].producer]
            stage_of[layer].layers.append(layer)
            continue
        top = layer.tops[0] if layer.tops else None
        shape = top.shape[1:] if top is not None and top.shape[:1] == (batch,) else top.shape if top is not None else ()
        groups = drawn_in[top] if top is not None and drawn_in[top] <= MOST_TOWERS else 1
        output = output_text(top.shape, 1, batch) if top is not None else ""
        stage_of[layer] = stage = Stage([layer], shape, output, groups)
        stages.append(stage)
    return Drawing(net, stages, _wires(net, stage_of))


def _wires(net: Net, stage_of: dict[Layer, Stage]) -> list[Wire]:
    wires: dict[tuple[Stage, Stage], Wire] = {}
    for layer in net.layers:
        target = stage_of[layer]
        for blob in layer.bottoms:
            source = stage_of[blob.producer]
            if source is target:
                continue
            if is_label(blob):
                target.labels.append(str(blob))
            else:
                wires.setdefault((source, target), Wire(source, target, blob, _apart(source, target)))
    return list(wires.values())


def is_label(blob: Blob) -> bool:
    """Whether a blob is one number an image straight from the data: drawn as a wire it would cross the whole net."""
    return blob.producer.is_source and prod(blob.shape[1:]) == 1


def _apart(source: Stage, target: Stage) -> bool:
    groups = target.layer.channel_groups
    if groups is None:
        groups = source.towers
    return source.towers > 1 and target.towers == source.towers and groups % source.towers == 0
