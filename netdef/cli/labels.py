"""The names of a net's classes: from a file, from the run that trained it, or from its data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from netdef.language.diagnostics import NetdefError
from netdef.layers.data import ImageData
from runtime.solver.snapshot import read_side

if TYPE_CHECKING:
    from netdef.graph.net import Net


def class_names(labels: str | None, weights: str, net: Net) -> list[str]:
    """A name for each class, in order; none where nobody gives any.

    Parameters
    ----------
    labels: a file with a name a line.
    weights: their snapshot remembers the classes that they were trained on.
    net: else the names are those of its own data.

    Raises
    ------
    NetdefError: the file of labels cannot be read.
    """
    if labels is not None:
        return read_labels(Path(labels))
    return read_side(weights).get("classes") or names_of_data(net)


def read_labels(path: Path) -> list[str]:
    """The lines of a file of labels; a WordNet number in front (n01440764 tench), as Caffe's has it, is left out."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise NetdefError(f"cannot read the labels in {path}: {getattr(error, 'strerror', None) or 'not text'}") from None
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise NetdefError(f"{path} holds no labels", hint="expected a name a line, the first for class 0")
    return [without_number(line.strip()) for line in lines]


def without_number(line: str) -> str:
    number, _, name = line.partition(" ")
    return name.strip() if len(number) == 9 and number[0] == "n" and number[1:].isdigit() and name else line


def names_of_data(net: Net) -> list[str]:
    """The classes of the net's own images, if those are there."""
    from runtime.data import open_source

    for layer in net.layers:
        if isinstance(layer, ImageData):
            try:
                source = open_source(layer, seed=0)
            except NetdefError:
                continue  # somebody else's training data; the net still predicts
            source.close()
            return list(source.classes or ())
    return []
