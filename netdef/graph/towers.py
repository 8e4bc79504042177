"""Find blobs whose channels form separate towers, as AlexNet's two."""

from __future__ import annotations

from netdef.graph.layer import Blob, Layer
from netdef.graph.net import Net


def towers(net: Net) -> dict[Blob, int]:
    """The number of towers of each blob: equal runs of channels that no layer mixes; 1 for a blob without towers.

    A blob has G towers if its layer keeps G groups apart (a convolution of group G, and layers that work channel by channel
    after it), or if all layers that read it do: conv1 of the paper reads its whole input, but norm1 and conv2 keep its two groups
    apart.
    """
    made: dict[Blob, int] = {}
    for layer in net.layers:
        groups = layer.channel_groups
        if groups is None:
            inherited = {made[bottom] for bottom in layer.bottoms}
            groups = inherited.pop() if len(inherited) == 1 else 1
        for top in layer.tops:
            made[top] = groups if _fits(top, groups) else 1
    drawn = dict(made)
    for layer in reversed(net.layers):
        for top in layer.tops:
            if drawn[top] == 1:
                wanted = {_reads_in(reader, drawn) for reader in top.consumers if reader.tops}
                groups = wanted.pop() if len(wanted) == 1 else 1
                drawn[top] = groups if _fits(top, groups) else 1
    return drawn


def _reads_in(layer: Layer, drawn: dict[Blob, int]) -> int:
    """How many groups of its bottoms' channels a layer, and those after it, keep apart."""
    if layer.channel_groups is not None:
        return layer.channel_groups
    return drawn[layer.tops[0]]


def _fits(blob: Blob, groups: int) -> bool:
    """Whether a blob can have that many towers. Groups of one channel, as of a depthwise convolution, are none."""
    return len(blob.shape) == 4 and blob.shape[1] % groups == 0 and blob.shape[1] > groups
