"""The names of a net's classes: from a file, from the run that trained it, or from its data."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netdef.language.diagnostics import Remark
from netdef.layers.data import ImageData

if TYPE_CHECKING:
    from netdef.graph.layer import Blob
    from netdef.graph.net import Net


@dataclass(frozen=True)
class Classes:
    """Names of classes in the order of their numbers, and what they were read from."""

    names: tuple[str, ...] = ()
    origin: str = ""

    def name(self, number: int) -> str:
        """A class by its name, else by its number."""
        return self.names[number] if number < len(self.names) and self.names[number] else f"class {number}"

    def check(self, scores: Blob) -> None:
        """Warn where the names are not as many as the scores."""
        self.check_count(scores.shape[1], f"{scores.name} has scores of")

    def check_count(self, count: int, what: str) -> None:
        """Warn where there are other than so many classes; `what` has them."""
        if self.names and len(self.names) != count:
            text = f"{self.origin} has {len(self.names)} names, {what} {count} classes: names may be wrong"
            warnings.warn(text, Remark, stacklevel=2)


def classes_of(labels: str | None, weights: Sequence[str], net: Net) -> Classes:
    """A name for each class, in order; empty if none are known.

    Parameters
    ----------
    labels: a file with a name a line.
    weights: without labels, their side file has the classes that they were trained on.
    net: without either, the class folders of its own data give the names, and a warning.

    Raises
    ------
    NetdefError: the file of labels, or the side file, cannot be read.
    """
    from netdef.weights.snapshots import side_path
    from runtime.data.classes import read_labels
    from runtime.solver.snapshot import read_side

    if labels is not None:
        return Classes(read_labels(labels), labels)
    for path in reversed(weights):
        names = read_side(path).get("classes")
        if names:
            return Classes(tuple(names), str(side_path(path)))
    return classes_of_data(net)


def classes_of_data(net: Net) -> Classes:
    """The classes that the net's own source of images has, without a look at the images."""
    from runtime.data import class_names

    for layer in net.layers:
        names = class_names(layer) if isinstance(layer, ImageData) else ()
        if isinstance(layer, ImageData) and names:
            warnings.warn(f"classes have the names of those in {layer.source}: the weights come with none", Remark, stacklevel=2)
            return Classes(names, layer.source)
    return Classes()
