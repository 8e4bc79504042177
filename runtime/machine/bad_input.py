"""What a layer cannot compute with, found in what it read once it has failed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from netdef.graph.layer import Blob, Layer
from netdef.language.diagnostics import NetdefError
from netdef.language.units import plural
from netdef.layers.function import Elementwise

Reader = Callable[[Blob], np.ndarray]  # a blob's values, in Caffe's shape


def wrong_number(layer: Layer, read: Reader) -> NetdefError | None:
    """The error of the first label that is no class, or number that is no image, of what a layer reads; None if all are."""
    if found := _wrong_label(layer, read):
        return layer.error(found[0], "bottom", layer.label_bottom, hint=found[1])
    found = _wrong_index(layer, read)
    return layer.error(found[0], "bottom", layer.index_bottom or 0, hint=found[1]) if found else None


def _wrong_label(layer: Layer, read: Reader) -> tuple[str, str] | None:
    """Which label is wrong, and which ones would be right."""
    classes, ignored = layer.label_classes, layer.ignore_label
    if classes is None or len(layer.bottoms) <= layer.label_bottom:
        return None
    blob = layer.bottoms[layer.label_bottom]
    labels = read(blob)
    wrong = ~((labels >= 0) & (labels < classes))
    if ignored is not None:
        wrong &= labels != ignored
    if not wrong.any():
        return None
    at, element = _first(wrong, blob)
    text = f"image {at[0]} of the batch has label {labels[at]:g} ({element}), {layer.classes_text}"
    return text, f"labels are from 0 to {classes - 1}" + ("" if ignored is None else f", or {ignored}, which is ignored")


def _wrong_index(layer: Layer, read: Reader) -> tuple[str, str] | None:
    """Which number picks no image, and which ones would."""
    if layer.index_bottom is None:
        return None
    blob, images = layer.bottoms[layer.index_bottom], layer.bottoms[0].shape[0]
    numbers = read(blob)
    wrong = ~((numbers >= 0) & (numbers < images))
    if not wrong.any():
        return None
    at, element = _first(wrong, blob)
    text = f"{element} is {numbers[at]:g}, and {layer.bottoms[0]} has {plural(images, 'image')}"
    return text, f"numbers of images are from 0 to {images - 1}"


def _first(wrong: np.ndarray, blob: Blob) -> tuple[tuple[int, ...], str]:
    """The first element of a blob that is wrong, as an index and as text: label[3]."""
    at = tuple(int(index) for index in np.unravel_index(int(wrong.argmax()), wrong.shape))
    return at, f"{blob}[{', '.join(map(str, at))}]"


def not_finite_because(layer: Layer, read: Reader) -> str:
    """What in a layer's bottoms makes its output not finite; "" if it is nothing that is known."""
    number = _wrong_label(layer, read) or _wrong_index(layer, read)
    if number is not None:
        return ": ".join(number)
    if isinstance(layer, Elementwise) and layer.function.positive is not None:
        what, of = layer.function.positive
        blob = layer.bottoms[0]
        argument = of(layer, read(blob))
        wrong = argument <= 0
        if wrong.any():
            at, element = _first(wrong, blob)
            return f"it takes the {what} of {float(argument[at]):g} ({element})"
    return ""
