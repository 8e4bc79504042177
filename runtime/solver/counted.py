"""How many labels of a batch each output of a test is a mean over, where not all count for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from netdef.layers.loss import Normalized
from runtime.solver.results import losses_of

if TYPE_CHECKING:
    from netdef.graph.layer import Layer
    from netdef.graph.net import Net
    from runtime.machine.executable import Executable

LOSS = "loss of the net"  # the key of its count


def label_counts(executable: Executable, images: int) -> dict[str, int]:
    """The labels that count in the batch that the next run of a pass takes, by the names of outputs (see `results.numbers`).

    An accuracy leaves out its ignore_label; that of a class is about the images of the class; a loss that divides by the labels
    that count leaves out those that it ignores.  Outputs that are not there are means over all images.
    """
    labels = {}
    for name, source in executable.sources.items():
        tops = executable.net.layer(name).tops
        given = executable.sources.taken(name).labels[:images]
        if source.size and len(tops) > 1 and given.ndim == 1:
            labels[tops[1].name] = given
    return {name: count for layer in executable.net.layers for name, count in _counts(layer, labels, executable.net).items()}


def _counts(layer: Layer, labels: Mapping[str, NDArray[np.float32]], net: Net) -> dict[str, int]:
    if layer.label_classes is None or len(layer.bottoms) <= layer.label_bottom:
        return {}
    bottom = layer.bottoms[layer.label_bottom]
    own = labels.get(bottom.name) if bottom.producer.is_source else None
    if own is None:
        return {}
    ignored = int((own == layer.ignore_label).sum()) if layer.ignore_label is not None else 0
    if layer.is_accuracy:
        counts = {layer.tops[0].name: len(own) - ignored}
        for top in layer.tops[1:]:
            members = ((number, own == number) for number in range(layer.label_classes) if number != layer.ignore_label)
            counts |= {f"{top.name}[{number}]": int(mine.sum()) for number, mine in members}
        return counts
    if ignored and isinstance(layer, Normalized) and layer.normalization == "VALID":
        names = [layer.tops[0].name] + [LOSS] * (len(losses_of(net)) == 1)
        return dict.fromkeys(names, len(own) - ignored)
    return {}
