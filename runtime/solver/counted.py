"""How many labels of a batch each output of a test is a mean over, where not all count for it."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from netdef.layers.loss import Normalized
from netdef.layers.permute import Permute
from netdef.layers.reshape import Flatten, Reshape
from runtime.data.rows import RowBatch, field_of
from runtime.solver.results import losses_of

if TYPE_CHECKING:
    from netdef.graph.layer import Blob, Layer
    from netdef.graph.net import Net
    from runtime.machine.executable import Executable

REARRANGING = (Flatten, Permute, Reshape)
LOSS = "loss of the net"  # the key of its count


def label_counts(executable: Executable, images: int) -> dict[str, int]:
    """The labels that count in the batch that the next run of a pass takes, by the names of outputs (see `results.numbers`).

    An accuracy leaves out its ignore_label; that of a class is about the labels of the class; a loss that divides by the labels
    that count leaves out those that it ignores.  Outputs that are not there are means over all images.  Labels are those of a
    source, one or several an image, as they are or rearranged.
    """
    given: dict[Blob, NDArray[Any]] = {}
    for name, source in executable.sources.items():
        batch = executable.sources.taken(name) if source.size else None
        for top in executable.net.layer(name).tops if batch is not None else ():
            if (array := array_of_top(batch, top)) is not None:
                given[top] = array[:images].reshape(-1)
    return {name: count for layer in executable.net.layers for name, count in _counts(layer, given, executable.net).items()}


def array_of_top(batch: Any, top: Blob) -> NDArray[Any] | None:
    """What a source's batch has for one of its tops, in any order within an image; None where kernels make other numbers of it."""
    if isinstance(batch, RowBatch):
        return batch.arrays.get(field_of(top.index))
    if top.index == 1:
        return batch.labels
    plain = not top.producer.message.HasField("transform_param") and batch.images[0].size == prod(top.shape[1:])
    return batch.images if plain else None  # images of labels


def rearranged(blob: Blob) -> Blob:
    """The blob that has the same elements and that no Reshape, Flatten or Permute made."""
    while isinstance(blob.producer, REARRANGING):
        blob = blob.producer.bottoms[0]
    return blob


def _counts(layer: Layer, given: Mapping[Blob, NDArray[Any]], net: Net) -> dict[str, int]:
    if layer.label_classes is None or not layer.reads_labels:
        return {}
    own = given.get(rearranged(layer.bottoms[layer.label_bottom]))
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
