"""Samples from HDF5 files: datasets whose first axis counts samples, as Caffe's HDF5Data has them.

A file is in memory as a whole while its rows are read, as in Caffe, and the next one is read meanwhile.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netdef.graph.data_shapes import SampleShapes
from netdef.graph.shape import Shape, shape_text
from netdef.language.diagnostics import Diagnostic, NetdefError
from netdef.language.reach import refuse_listed
from netdef.language.units import shortened
from netdef.layers.data import HDF5Data, located
from netdef.weights.hdf5 import check_claim, reading
from runtime.data.draws import Draws
from runtime.data.hdf5_facts import is_hdf5_file
from runtime.data.labels import check_numbers
from runtime.data.rows import RowSource, field_of, refuse_transform
from runtime.data.texts import read_text_file

EXPECTED = "expected the path of an HDF5 file on each line"
FILES_KEPT = 2  # the one that is read, and the next
MOST_LABELS = 1 << 24  # of a file, to compare with the classes of the net before the run


class Hdf5Source(RowSource):
    """The rows of the files that an HDF5Data layer's list names.

    With `shuffle`, the files come in another order in each epoch, and the rows of each file too; files are not mixed, as in Caffe.

    Raises
    ------
    NetdefError: a file is missing or damaged, lacks a dataset, or has one of another shape than the first file's; a label is no
        class; the layer has a transform_param.
    """

    def __init__(self, layer: HDF5Data, seed: int):
        refuse_transform(layer)
        self._names = list(layer.message.top)
        self._files = files_of(layer)
        shapes = [shapes_of(file, self._names) for file in self._files]
        for file, (own, _) in zip(self._files, shapes, strict=True):
            for name, shape, first in zip(self._names, own, shapes[0][0], strict=True):
                if shape != first:
                    text = f"{file}: a row of {name} is {shape_text(shape)}, in {self._files[0]} it is {shape_text(first)}"
                    raise NetdefError(text)
        super().__init__(layer.batch_size, {field_of(top): shape for top, shape in enumerate(shapes[0][0])}, ahead=True)
        self._counts = [count for _, count in shapes]
        self.size = sum(self._counts)
        self._shuffle = layer.p.shuffle
        self._file_draws = Draws(seed, f"{layer.name}: files")
        self._row_draws = [Draws(seed, f"{layer.name}: rows of file {index}") for index in range(len(self._files))]
        self._order_of = lru_cache(2)(self._order)
        self._rows_of = lru_cache(FILES_KEPT)(lambda epoch, file: self._row_draws[file].permutation(epoch, self._counts[file]))
        self._reader = ThreadPoolExecutor(1, "hdf5")
        self._loaded: OrderedDict[int, Future[list[NDArray[np.float32]]]] = OrderedDict()
        self._check_labels(layer)

    def rows(self, position: int, most: int) -> tuple[list[NDArray[np.float32]], NDArray[np.int64] | slice]:
        epoch, index = divmod(position, self.size)
        files, starts = self._order_of(epoch)
        turn = int(np.searchsorted(starts, index, side="right")) - 1
        file, first = files[turn], index - int(starts[turn])
        after = files[turn + 1] if turn + 1 < len(files) else self._order_of(epoch + 1)[0][0]
        last = min(first + most, self._counts[file])
        chosen = self._rows_of(epoch, file)[first:last] if self._shuffle else slice(first, last)
        return self._arrays(file, after), chosen

    def close(self) -> None:
        """Stop the threads that read and fill."""
        super().close()
        self._reader.shutdown(cancel_futures=True)
        self._loaded.clear()

    def _order(self, epoch: int) -> tuple[list[int], NDArray[np.int64]]:
        """The files of an epoch that have rows, in their order, and at which of its rows each begins."""
        count = len(self._files)
        order = self._file_draws.permutation(epoch, count).tolist() if self._shuffle else range(count)
        files = [file for file in order if self._counts[file]]
        return files, np.concatenate([[0], np.cumsum([self._counts[file] for file in files])[:-1]]).astype(np.int64)

    def _arrays(self, file: int, after: int) -> list[NDArray[np.float32]]:
        """The datasets of a file, while the file that comes after it is being read."""
        for one in (file, after):
            if one not in self._loaded:
                self._loaded[one] = self._reader.submit(read_rows, self._files[one], self._names)
            self._loaded.move_to_end(one)
        while len(self._loaded) > FILES_KEPT:
            self._loaded.popitem(last=False)
        return self._loaded[file].result()

    def _check_labels(self, layer: HDF5Data) -> None:
        """Compare what layers read as labels with their numbers of classes, in all files."""
        for top, name in enumerate(self._names):
            if not any(reader.label_classes is not None for reader in layer.tops[top].consumers):
                continue
            for file, count in zip(self._files, self._counts, strict=True):
                if count * int(np.prod(layer.tops[top].shape[1:])) > MOST_LABELS:
                    continue
                (labels,) = read_rows(file, [name])
                check_numbers(layer, labels, f"{file}, dataset {name},", top)


def files_of(layer: HDF5Data) -> list[str]:
    """The HDF5 files of a layer; raises as `files_at`."""
    return files_at(located(layer, layer.source))


def files_at(path: Path) -> list[str]:
    """The HDF5 file at a path, or those that the list there names; raises as `files_in_list`."""
    return [str(path)] if is_hdf5_file(str(path)) else files_in_list(path)


def files_in_list(path: Path) -> list[str]:
    """The HDF5 files that a list names, one a line; a path starts at the current folder, or else at the list's.

    Raises
    ------
    NetdefError: the list is missing or empty, or files are (all are reported).
    """
    source = read_text_file(path, "a list of HDF5 files", EXPECTED)
    names: list[str] = []
    found: list[str] = []
    errors: list[Diagnostic] = []
    for number, line in enumerate(source.text.split("\n")):
        name = line.strip()
        if not name:
            continue
        file = next((file for file in (Path(name), path.parent / name) if file.is_file()), None)
        if file is None:
            at = source.starts[number] + line.index(name)
            errors.append(Diagnostic(f"there is no file {name}", source.position(at, at + len(name)), hint=EXPECTED))
        else:
            names.append(name)
            found.append(str(file))
    if errors:
        raise NetdefError(errors)
    if not found:
        raise NetdefError(f"{path} lists no files", hint=EXPECTED)
    refuse_listed(source, names, found)
    return found


def shapes_of(file: str, names: Sequence[str]) -> tuple[list[Shape], int]:
    """The shape of a row of each of some datasets of a file, and how many rows they have.

    Raises
    ------
    NetdefError: the file is damaged, or one is missing, has no rows of numbers, or has another number of them than the first.
    """
    with reading(Path(file), "HDF5 file") as opened:
        datasets = [_dataset(opened, file, name) for name in names]
        counts = [dataset.shape[0] for dataset in datasets]
        for name, count in zip(names, counts, strict=True):
            if count != counts[0]:
                raise NetdefError(f"{file} has {counts[0]:,} rows of {names[0]}, and {count:,} of {name}")
        return [tuple(dataset.shape[1:]) for dataset in datasets], counts[0]


def read_rows(file: str, names: Sequence[str]) -> list[NDArray[np.float32]]:
    """Some datasets of a file as float32; raises as `shapes_of`."""
    with reading(Path(file), "HDF5 file") as opened:
        datasets = [_dataset(opened, file, name) for name in names]
        for dataset in datasets:
            if not (dataset.is_virtual or dataset.external):  # else its numbers are in other files
                check_claim(Path(file), dataset)
        return [np.asarray(dataset[...], np.float32) for dataset in datasets]


def _dataset(opened: Any, file: str, name: str) -> Any:
    dataset = opened.get(name)
    if not hasattr(dataset, "dtype"):
        hint = f"a top is the dataset of its name; there are {shortened([*opened])}"
        raise NetdefError(f"{file} has no dataset {name}", hint=hint)
    if not dataset.shape or dataset.dtype.kind not in "biuf":
        raise NetdefError(f"{file}: dataset {name} holds no rows of numbers")
    return dataset


def shapes_in_files(layer: HDF5Data) -> SampleShapes:
    """What the first file says of the samples; raises NetdefError as `files_of` and `shapes_of`."""
    return SampleShapes(tuple(shapes_of(files_of(layer)[0], list(layer.message.top))[0]))
