"""What an HDF5 file holds, for `netdef data info`: its datasets, their rows, values and labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from netdef.graph.shape import Shape
from netdef.language.diagnostics import NetdefError
from netdef.weights.hdf5 import check_claim, is_hdf5, reading

FORM = "HDF5 file"
BLOCK = 1 << 22  # numbers that are read at a time
START = 16  # bytes of a file that show its form


@dataclass
class Dataset:
    """A dataset whose first axis counts rows.

    Attributes
    ----------
    rows: how many.  shape, dtype: of a row.
    least, greatest: of its finite numbers; None where there are none.  wrong: how many numbers are not finite.
    labels: how many rows have each label, where a row is one whole number.
    """

    name: str
    rows: int
    shape: Shape
    dtype: str
    least: float | None = None
    greatest: float | None = None
    wrong: int = 0
    labels: Counter[int] | None = None

    def add(self, block: NDArray[Any]) -> None:
        """Enter some rows."""
        finite = block[np.isfinite(block)] if block.dtype.kind == "f" else block.ravel()
        self.wrong += block.size - finite.size
        if finite.size:
            least, greatest = float(finite.min()), float(finite.max())
            self.least = least if self.least is None else min(self.least, least)
            self.greatest = greatest if self.greatest is None else max(self.greatest, greatest)
        if self.labels is not None:
            if self.wrong or (finite != np.floor(finite)).any():
                self.labels = None
            else:
                values, counts = np.unique(finite, return_counts=True)
                self.labels.update({int(value): int(count) for value, count in zip(values, counts, strict=True)})


def is_hdf5_file(path: str) -> bool:
    """Whether a path is a file in HDF5's form."""
    try:
        with open(path, "rb") as file:
            return is_hdf5(memoryview(file.read(START)))
    except OSError:
        return False


def datasets_of(path: str, on_done: Callable[[int], None] = lambda done: None) -> list[Dataset]:
    """The datasets of a file that hold rows of numbers, in the order of their names; every number is read.

    Parameters
    ----------
    on_done: called with how many datasets are done.

    Raises
    ------
    NetdefError: the file is damaged, or it holds none.
    """
    found = []
    with reading(Path(path), FORM) as opened:
        for number, (name, dataset) in enumerate(datasets_in(opened), 1):
            check_claim(Path(path), dataset)
            one = Dataset(name, dataset.shape[0], tuple(dataset.shape[1:]), str(dataset.dtype))
            one.labels = Counter() if np.prod(one.shape, dtype=int) == 1 and one.rows else None
            each = max(1, BLOCK // max(1, int(np.prod(one.shape, dtype=int))))
            for first in range(0, one.rows, each):
                one.add(dataset[first : first + each])
            found.append(one)
            on_done(number)
    if not found:
        raise NetdefError(f"{path} holds no rows of numbers")
    return found


def pictures_of(path: str, count: int) -> list[tuple[Image.Image, str]]:
    """The first images of the first dataset of them, with their numbers.

    Raises
    ------
    NetdefError: the file is damaged, or no dataset has rows of 1 or 3 channels with values from 0 to 255.
    """
    with reading(Path(path), FORM) as opened:
        for _, dataset in datasets_in(opened):
            if len(dataset.shape) != 4 or dataset.shape[1] not in (1, 3) or not dataset.size:
                continue
            check_claim(Path(path), dataset)
            rows = dataset[:count]
            if np.isfinite(rows).all() and rows.min() >= 0 and rows.max() <= 255:
                pixels = rows.round().astype(np.uint8)[:, ::-1].transpose(0, 2, 3, 1)  # blue first
                return [(Image.fromarray(one.squeeze(2) if one.shape[2] == 1 else one), str(n)) for n, one in enumerate(pixels)]
    raise NetdefError(f"{path} has no images of 1 or 3 channels with values from 0 to 255", hint="leave --sheet out")


def datasets_in(opened: Any) -> Iterator[tuple[str, Any]]:
    """The datasets of a file, in groups too, that hold rows of numbers."""
    names: list[str] = []
    opened.visit(names.append)
    for name in sorted(names):
        item = opened[name]
        if hasattr(item, "dtype") and item.shape and item.dtype.kind in "biuf":
            yield name, item
