"""Blocks: runs of layers that one blob enters and one blob leaves, such as the residual blocks of a ResNet; and which repeat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

from netdef.graph.layer import Blob, Layer
from netdef.graph.net import Net
from netdef.graph.shape import Shape

MOST_BLOCKS = 8  # in a run that repeats as a whole
BOTTLENECK = ((1, 1), (3, 3), (1, 1))  # windows of its convolutions on the way that is not the shortcut


@dataclass(eq=False)
class Block:
    """Layers in order between two points where only one blob goes on; where nothing branches, a block is one layer."""

    layers: tuple[Layer, ...]

    @property
    def shape(self) -> Shape:
        """What it makes of one image; () where it makes nothing."""
        last = self.layers[-1]
        return last.tops[0].shape[1:] if last.tops else ()

    @property
    def branches(self) -> bool:
        """Whether ways part and meet again in it."""
        return any(len(layer.bottoms) > 1 for layer in self.layers) and len(self.layers) > 2

    @property
    def types(self) -> Counter[str]:
        return Counter(layer.type for layer in self.layers)

    @property
    def noun(self) -> str:
        """What sentences call it."""
        if not any(layer.adds_up for layer in self.layers):
            return "block"
        windows = [tuple(layer.kernel) for layer in self.layers if layer.kind == "convolution" and hasattr(layer, "kernel")]
        return "bottleneck" if tuple(windows[-3:]) == BOTTLENECK else "residual block"

    @cached_property
    def form(self) -> tuple[object, ...]:
        """What equal blocks have in common: types, settings, shapes and wiring, but no names."""
        index_of = {top: (number, top.index) for number, layer in enumerate(self.layers) for top in layer.tops}
        return tuple(_form(layer, index_of) for layer in self.layers)


def _form(layer: Layer, index_of: dict[Blob, tuple[int, int]]) -> tuple[object, ...]:
    settings = tuple(getattr(layer.message, field).SerializeToString(deterministic=True) for field in layer.param_fields)
    reads = tuple((index_of.get(blob), blob.shape) for blob in layer.bottoms)
    return layer.type, settings, reads, layer.in_place, tuple(parameter.shape for parameter in layer.parameters)


def blocks(net: Net) -> list[Block]:
    """A net's layers in blocks, in their order."""
    last_reader: dict[Blob, int] = {}
    for index, layer in enumerate(net.layers):
        last_reader.update(dict.fromkeys(layer.bottoms, index))
    found: list[Block] = []
    begin, alive = 0, set[Blob]()
    for index, layer in enumerate(net.layers):
        alive |= {top for top in layer.tops if top in last_reader and not _is_label(top)}
        alive -= {blob for blob in layer.bottoms if last_reader[blob] == index}
        after = net.layers[index + 1] if index + 1 < len(net.layers) else None
        in_place = after is not None and bool(after.tops) and all(after.in_place) and set(after.bottoms) & {*layer.tops}
        if len(alive) <= 1 and not in_place:
            found.append(Block(net.layers[begin : index + 1]))
            begin = index + 1
    return found + ([Block(net.layers[begin:])] if begin < len(net.layers) else [])


def _is_label(blob: Blob) -> bool:
    return blob.producer.is_source and prod(blob.shape[1:]) == 1


@dataclass(frozen=True)
class Repeat:
    """Blocks that stand `count` times in a row; `blocks` are those of the first time, `all` of every time."""

    blocks: tuple[Block, ...]
    count: int
    all: tuple[Block, ...]


def repeats(found: Sequence[Block]) -> Iterator[Repeat]:
    """All blocks in order, those that repeat together: the run that covers most layers first, of equals the shortest period."""
    at = 0
    while at < len(found):
        period, count = max(_runs_at(found, at), key=lambda run: (run[0] * (run[1] - 1), -run[0]), default=(1, 1))
        yield Repeat(tuple(found[at : at + period]), count, tuple(found[at : at + period * count]))
        at += period * count


def _runs_at(found: Sequence[Block], at: int) -> Iterator[tuple[int, int]]:
    """(period, count) of each run that begins there and stands more than once."""
    for period in range(1, min(MOST_BLOCKS, (len(found) - at) // 2) + 1):
        count = 1
        while _equal(found[at : at + period], found[at + count * period : at + (count + 1) * period]):
            count += 1
        if count > 1:
            yield period, count


def _equal(some: Sequence[Block], others: Sequence[Block]) -> bool:
    return len(some) == len(others) and all(a.form == b.form for a, b in zip(some, others, strict=True))


def stage_numbers(net: Net) -> dict[Shape, int]:
    """Rows and columns of what layers make, numbered from 1 in the order in which they come: the stages of a net."""
    sizes = [top.shape[2:] for layer in net.layers if not layer.is_source for top in layer.tops if len(top.shape) == 4]
    return {size: number for number, size in enumerate(dict.fromkeys(sizes), 1)}
