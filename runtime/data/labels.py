"""Compare the labels of a source with the classes of the net, before a loss reads past its scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime.data.source import Samples

if TYPE_CHECKING:
    from netdef.layers.data import ImageData


def check_labels(layer: ImageData, samples: Samples) -> None:
    """Compare the labels of a data layer's source with the classes of each layer that reads them.

    Raises
    ------
    NetdefError: a label is negative, or as large as the number of classes, and is not the reader's ignore_label.
    """
    for reader in layer.tops[1].consumers if len(layer.tops) > 1 else ():
        classes, bottom = reader.label_classes, reader.label_bottom
        if classes is None or reader.bottoms[bottom] is not layer.tops[1]:
            continue
        wrong = [label for label in samples.labels if not 0 <= label < classes and label != reader.ignore_label]
        if wrong:
            raise reader.error(
                f"{samples.name} has label {wrong[-1]}, {reader.classes_text}: 0 to {classes - 1}",
                "bottom",
                bottom,
                hint="labels count from 0" if wrong[-1] < 0 else f"{wrong[-1] + 1} {reader.class_unit} are needed, or other labels",
            )
