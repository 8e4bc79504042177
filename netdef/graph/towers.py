"""Which blobs lie in separate runs of channels, as AlexNet's two towers do."""

from __future__ import annotations

from netdef.graph.layer import Blob, Layer
from netdef.graph.net import Net


def towers(net: Net) -> dict[Blob, int]:
    """How many equal runs of channels each blob is drawn in; 1 for a blob whose channels belong together.

    A blob lies in G runs if its layer keeps G runs apart (a convolution of group G, and what follows channel by channel),
    or if all that read it do: conv1 of the paper reads all its input, yet norm1 and conv2 keep its halves apart.
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
    """How many runs of its bottoms' channels a layer keeps apart, all that follows it included."""
    if layer.channel_groups is not None:
        return layer.channel_groups
    return drawn[layer.tops[0]]


def _fits(blob: Blob, groups: int) -> bool:
    """Whether a blob can be drawn in that many runs; one channel a run, as depthwise convolution has, is no tower."""
    return len(blob.shape) == 4 and blob.shape[1] % groups == 0 and blob.shape[1] > groups
