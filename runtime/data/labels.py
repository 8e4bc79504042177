"""Compare the labels of a source with the classes of the net, before a loss reads past its scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from netdef.language.diagnostics import NetdefError

if TYPE_CHECKING:
    from netdef.graph.layer import Layer


def check_labels(layer: Layer, labels: Sequence[int], name: str, top: int = 1) -> None:
    """Compare labels with the classes of each layer that reads them.

    Parameters
    ----------
    layer: the source.  top: of it, with the labels.  labels: ascending.  name: of what has them, for the message.

    Raises
    ------
    NetdefError: a label is negative, or as large as the number of classes, and is not the reader's ignore_label.
    """
    for reader, classes in _readers(layer, top):
        wrong = [label for label in labels if not 0 <= label < classes and label != reader.ignore_label]
        if wrong:
            raise _error(reader, classes, wrong[-1], name)


def check_numbers(layer: Layer, labels: NDArray[np.float32], name: str, top: int = 1) -> None:
    """`check_labels` of labels that are float32; those that are not finite are left to the run.

    Raises
    ------
    NetdefError: one is no whole number, too.
    """
    numbers = np.unique(labels[np.isfinite(labels)])
    fractions = numbers[numbers != np.floor(numbers)]
    for reader, _ in _readers(layer, top) if fractions.size else ():
        text = f"{name} has label {fractions[0]:g}, {reader.classes_text}"
        raise reader.error(text, "bottom", reader.label_bottom, hint="the label of a class is a whole number")
    check_labels(layer, [int(number) for number in numbers], name, top)


def label_check(layer: Layer, top: int = 1) -> Callable[[int, str], None]:
    """What raises such an error for one label of a source whose labels are known only as they come, given its image's name."""
    readers = list(_readers(layer, top))

    def check(label: int, name: str) -> None:
        for reader, classes in readers:
            if not 0 <= label < classes and label != reader.ignore_label:
                raise _error(reader, classes, label, name)

    return check


def _readers(layer: Layer, top: int) -> Iterator[tuple[Layer, int]]:
    """The layers that take a top for the numbers of classes, and how many classes each has."""
    for reader in layer.tops[top].consumers if len(layer.tops) > top else ():
        classes, bottom = reader.label_classes, reader.label_bottom
        if classes is not None and reader.bottoms[bottom] is layer.tops[top]:
            yield reader, classes


def _error(reader: Layer, classes: int, label: int, name: str) -> NetdefError:
    return reader.error(
        f"{name} has label {label}, {reader.classes_text}: 0 to {classes - 1}",
        "bottom",
        reader.label_bottom,
        hint="labels count from 0" if label < 0 else f"{label + 1} {reader.class_unit} are needed, or other labels",
    )
