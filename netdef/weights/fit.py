"""Compare a file's weights with a net's layers: which are filled, missing, extra, or of another shape."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from netdef.graph.shape import Shape, shape_text

if TYPE_CHECKING:
    from netdef.graph.layer import Layer
    from netdef.weights.reading import Weights


@dataclass(frozen=True)
class Misfit:
    """A layer whose weights have other shapes in the net and in the file; None marks an array that the file leaves out."""

    layer: str
    in_net: tuple[Shape, ...]
    in_file: tuple[Shape | None, ...]

    def __str__(self) -> str:
        return f"{self.layer}: {shapes_text(self.in_net)} in the net, {shapes_text(self.in_file)} in the file"


@dataclass
class Fit:
    """How a file's weights fit a net.

    Attributes
    ----------
    values: by layer, the arrays for its parameters in the net's shapes; None where the parameter's owner has it.
    missing: layers of the net that the file does not have.
    extra: layers of the file that the net does not have.
    misshapen: layers that both have, with other shapes.
    """

    values: dict[str, list[np.ndarray | None]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    misshapen: list[Misfit] = field(default_factory=list)


def fit_weights(layers: Iterable[Layer], weights: Weights) -> Fit:
    """Match a file's weights to a net's layers by name, as Caffe does.

    A shared parameter may be missing where its owner's layer is not.  Weights for a layer that has none are misshapen.
    """
    fit, names = Fit(), set()
    for layer in layers:
        names.add(layer.name)
        if layer.parameters or layer.name in weights:
            fit_layer(layer, weights, fit)
    fit.extra = [name for name in weights if name not in names]
    return fit


def fit_layer(layer: Layer, weights: Weights, fit: Fit) -> None:
    """Enter one layer into a Fit."""
    wanted = tuple(parameter.shape for parameter in layer.parameters)
    owned_elsewhere = [parameter.shared and parameter.owner.layer.name in weights for parameter in layer.parameters]
    if layer.name not in weights and not all(owned_elsewhere):
        fit.missing.append(layer.name)
        return
    given = [*weights.get(layer.name, ())]
    if (order := layer.order_in_file(shapes_of(given))) is not None:
        given = [given[position] for position in order]
    given += [None] * (len(wanted) - len(given))
    if len(given) == len(wanted) and all(map(fits, given, wanted, owned_elsewhere)):
        fit.values[layer.name] = [a if a is None else a.reshape(shape) for a, shape in zip(given, wanted, strict=True)]
    else:
        fit.misshapen.append(Misfit(layer.name, wanted, shapes_of(given)))


def fits(array: np.ndarray | None, shape: Shape, owned_elsewhere: bool) -> bool:
    """Whether an array has a shape; none is needed where it is found with the parameter's owner."""
    return owned_elsewhere if array is None else same_shape(array.shape, shape)


def same_shape(found: Shape, wanted: Shape) -> bool:
    """Whether a shape in a file is the wanted one; old files give every shape four axes: ones in front, or 1 x C x 1 x 1."""
    if found == wanted:
        return True
    return len(found) == 4 and (found == (1,) * (4 - len(wanted)) + wanted or (len(wanted) == 1 and found == (1, *wanted, 1, 1)))


def shapes_of(arrays: Sequence[np.ndarray | None]) -> tuple[Shape | None, ...]:
    """The shapes of a layer's arrays."""
    return tuple(None if array is None else array.shape for array in arrays)


def shapes_text(shapes: Iterable[Shape | None]) -> str:
    """A layer's shapes as messages have them: 96 x 3 x 11 x 11 + 96."""
    return " + ".join(shape_text(shape) for shape in shapes if shape is not None) or "nothing"
