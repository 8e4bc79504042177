"""Statistics of all images of a training set: the mean image, and the principal components of the pixels' colours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from netdef.graph.shape import shape_text
from netdef.language.diagnostics import NetdefError
from netdef.language.writing import replacing
from netdef.weights import wire
from runtime.data.copying import check_skipped, in_order
from runtime.data.records import Records, pixels_of, record_name
from runtime.data.source import OnSkip, UnreadableError

GROUP = 32  # records that one thread sums up at a time
LEVELS = 255  # of pixels, which run from 0 to it
SUMS = {True: np.dtype(np.int64), False: np.dtype(np.float64)}  # of pixels that are bytes, and others

Made = TypeVar("Made")


@dataclass(frozen=True)
class Mean:
    """The mean of images.

    Attributes
    ----------
    image: float32 (C, H, W), blue first.  count: of the images.  skipped: those that could not be read.
    """

    image: NDArray[np.float32]
    count: int
    skipped: tuple[str, ...]

    @property
    def values(self) -> list[float]:
        """The mean of each channel."""
        return [float(value) for value in self.image.mean(axis=(1, 2), dtype=np.float64)]


@dataclass(frozen=True)
class Components:
    """The principal components of colours, as color_eigenvalue and color_eigenvector of a TransformationParameter have them.

    Attributes
    ----------
    values: LEVELS times the eigenvalues of the covariance of pixels from 0 to 1, the largest first.
    vectors: of each, (3, 3): blue, green, red; the largest number of each is positive.
    """

    values: NDArray[np.float64]
    vectors: NDArray[np.float64]
    skipped: tuple[str, ...]

    @property
    def text(self) -> str:
        """Lines of a transform_param."""
        values = ", ".join(f"{value:.6g}" for value in self.values)
        vectors = ",  ".join(", ".join(f"{number:.6f}" for number in vector) for vector in self.vectors)
        return f"color_eigenvalue: [{values}]\ncolor_eigenvector: [{vectors}]"


def mean_of_records(records: Records, workers: int, on_skip: OnSkip, on_done: Callable[[int], None] = lambda done: None) -> Mean:
    """The mean of all images.

    Sums of bytes are exact, whatever the number of images; Caffe's compute_image_mean adds in float32, with the same result up to
    a sum of 2**24, which 65,793 images may reach.

    Raises
    ------
    NetdefError: images differ in shape, or too many cannot be read.
    """
    total: NDArray[np.int64] | NDArray[np.float64] | None = None
    first = ""

    def sum_of(arrays: list[tuple[str, np.ndarray]]) -> tuple[str, np.ndarray] | None:
        return (arrays[0][0], summed(arrays)) if arrays else None

    reader = _Groups(records, workers, on_skip, on_done)
    for group in reader.each(sum_of):
        if group is None:
            continue
        name, part = group
        if total is None:
            total, first = part, name
        elif part.shape != total.shape:
            raise _unequal(name, part.shape, first, total.shape)
        else:
            total = total + part
    if total is None:
        raise NetdefError(f"none of the records of {records.name} can be read")
    return Mean((total / reader.count).astype(np.float32), reader.count, tuple(reader.skipped))


def summed(arrays: list[tuple[str, np.ndarray]]) -> np.ndarray:
    """The sum of images of one shape.

    Raises
    ------
    NetdefError: they differ in shape.
    """
    first, shape = arrays[0][0], arrays[0][1].shape
    total = np.zeros(shape, SUMS[all(array.dtype == np.uint8 for _, array in arrays)])
    for name, array in arrays:
        if array.shape != shape:
            raise _unequal(name, array.shape, first, shape)
        total += array
    return total


def _unequal(name: str, shape: tuple[int, ...], first: str, expected: tuple[int, ...]) -> NetdefError:
    text = f"{name} is {shape_text(shape)}, {first} is {shape_text(expected)}: a mean takes images of one shape"
    return NetdefError(text, hint="give a size to bring them to")


def components_of_records(
    records: Records, workers: int, on_skip: OnSkip, on_done: Callable[[int], None] = lambda done: None
) -> Components:
    """The principal components of the colours of all pixels of all images (Krizhevsky et al. 2012, section 4.1).

    Raises
    ------
    NetdefError: an image has other than three channels, or too many cannot be read.
    """
    pixels, sums, products = 0, np.zeros(3), np.zeros((3, 3))

    def moments(arrays: list[tuple[str, np.ndarray]]) -> tuple[int, np.ndarray, np.ndarray]:
        count, first, second = 0, np.zeros(3), np.zeros((3, 3))
        for name, array in arrays:
            if array.shape[0] != 3:
                raise NetdefError(f"{name} has {array.shape[0]} channels: colours have three")
            flat = array.reshape(3, -1).astype(np.float64)
            count, first, second = count + flat.shape[1], first + flat.sum(axis=1), second + flat @ flat.T
        return count, first, second

    reader = _Groups(records, workers, on_skip, on_done)
    for count, first, second in reader.each(moments):
        pixels, sums, products = pixels + count, sums + first, products + second
    if not pixels:
        raise NetdefError(f"none of the records of {records.name} can be read")
    mean = sums / pixels
    values, vectors = np.linalg.eigh((products / pixels - np.outer(mean, mean)) / LEVELS**2)
    rows = vectors.T[::-1]
    signs = np.sign(rows[np.arange(3), np.abs(rows).argmax(axis=1)])
    return Components(LEVELS * np.maximum(values[::-1], 0), rows * signs[:, None], tuple(reader.skipped))


class _Groups:
    """The records' pixels, GROUP at a time, by several threads."""

    def __init__(self, records: Records, workers: int, on_skip: OnSkip, on_done: Callable[[int], None]):
        self.records, self.workers, self.on_skip, self.on_done = records, workers, on_skip, on_done
        self.skipped: list[str] = []
        self.count = 0  # of those that could be read

    def each(self, make: Callable[[list[tuple[str, np.ndarray]]], Made]) -> Iterator[Made]:
        """make(names and pixels) of each group, in order."""
        starts = range(0, self.records.size, GROUP)

        def work(start: int) -> tuple[Made, list[UnreadableError], int]:
            arrays, bad = [], []
            for index in range(start, min(start + GROUP, self.records.size)):
                name = record_name(self.records, index)
                try:
                    arrays.append((name, pixels_of(self.records.datum(index), name)))
                except UnreadableError as error:
                    bad.append(error)
            return make(arrays), bad, len(arrays)

        for start, (made, bad, count) in zip(starts, in_order(work, starts, self.workers), strict=True):
            self.count += count
            for error in bad:
                self.skipped.append(error.path)
                self.on_skip(error.path, error.reason)
                check_skipped(len(self.skipped), self.count + len(self.skipped), self.records, error)
            self.on_done(min(start + GROUP, self.records.size))
            yield made


def write_mean(path: str, image: NDArray[np.float32]) -> None:
    """Write a mean of (C, H, W): to .npy, or as compute_image_mean writes a .binaryproto.

    Raises
    ------
    NetdefError: it cannot be written.
    """
    with replacing(path) as partial, open(partial, "wb") as file:
        if path.endswith(".npy"):
            np.save(file, image)
            return
        extents = zip((wire.NUM, wire.CHANNELS, wire.HEIGHT, wire.WIDTH), (1, *image.shape), strict=True)
        file.write(b"".join(wire.key(number, wire.VARINT) + wire.varint(extent) for number, extent in extents))
        file.write(wire.prefix(wire.DATA, 4 * image.size) + np.ascontiguousarray(image, "<f4").tobytes())
