"""Labelled images by number, as databases have them: what tools that copy data, or look at all of it, go through."""

from __future__ import annotations

import os
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from netdef.weights.wire import MalformedError
from runtime.data.database import Database, files_with_records, key_text
from runtime.data.datum import Datum, decode_datum
from runtime.data.decoding import MODES, as_image, decode, read_image
from runtime.data.listing import Listing
from runtime.data.settings import Resize
from runtime.data.source import UnreadableError
from runtime.data.texts import printable
from runtime.data.transform import resized

FORMATS = {"jpg": "JPEG", "jpeg": "JPEG", "png": "PNG"}  # that images are encoded in, by the endings of their files
QUALITY = 95  # of JPEG, OpenCV's default
MOST_KEY = 500  # bytes; LMDB takes 511


class Records(Protocol):
    """Labelled images by number.

    Attributes
    ----------
    name: of the list, folder or database.  size: how many.  classes: a name for each label, or None.
    fingerprint: of what they are and how they are read.
    """

    name: str
    size: int
    classes: tuple[str, ...] | None
    fingerprint: str

    def key(self, position: int, index: int) -> bytes:
        """The key of a record that is written at a position of a database."""

    def state(self, index: int) -> tuple[int, int]:
        """What shows that the file of a record was changed: see `state_of_file`; 0, 0 of a record that is in no file."""

    def datum(self, index: int) -> Datum:
        """A record; called from several threads at once.

        Raises
        ------
        UnreadableError: it is missing or damaged.
        """


@dataclass(frozen=True)
class Stored:
    """How images are stored.

    Attributes
    ----------
    resize: None keeps them as they are.  gray: one channel instead of three.
    encoded: the format of image files, as their ending; "" stores pixels.
    pad: black pixels around each image, after it is resized.
    """

    resize: Resize | None = None
    gray: bool = False
    encoded: str = ""
    pad: int = 0

    @property
    def changes(self) -> bool:
        """Whether images are other than in their files."""
        return self.resize is not None or self.gray or self.pad > 0


class FileRecords:
    """The images of a listing."""

    def __init__(self, listing: Listing, stored: Stored = Stored()):
        self.name, self.size, self.classes = listing.name, len(listing.paths), listing.classes
        self._listing, self._stored = listing, stored
        digest = sha256(repr((listing.root, stored, listing.labels)).encode())
        for path in listing.paths:
            digest.update(path.encode("utf-8", "surrogateescape") + b"\n")
        self.fingerprint = digest.hexdigest()

    def key(self, position: int, index: int) -> bytes:
        """Caffe's: the position, and the path as the list has it."""
        path = self._listing.paths[index].encode("utf-8", "surrogateescape")
        return b"%08d_%s" % (position, path[-MOST_KEY:])

    def state(self, index: int) -> tuple[int, int]:
        return state_of_file(self._listing.path(index))

    def datum(self, index: int) -> Datum:
        path, label, stored = self._listing.path(index), self._listing.labels[index], self._stored
        image = read_image(path, MODES[1 if stored.gray else 3])
        if stored.encoded and not stored.changes and FORMATS.get(ending(path)) == FORMATS[stored.encoded]:
            return Datum(data=Path(path).read_bytes(), label=label, encoded=True)  # as it is: its bits stay
        if stored.resize is not None:
            image = resized(image, stored.resize)
        return datum_of(ImageOps.expand(as_image(image), stored.pad), label, stored.encoded)


class DatabaseRecords:
    """The records of a database, as they are."""

    classes: tuple[str, ...] | None = None

    def __init__(self, database: Database):
        self.name, self.size, self._database = database.path, database.size, database
        states = [state_of_file(path) for path in files_with_records(database.path)]
        self._state = sum(size for size, _ in states), max(time for _, time in states)
        self.fingerprint = sha256(repr((str(Path(database.path).resolve()), database.size)).encode()).hexdigest()

    def key(self, position: int, index: int) -> bytes:
        """Its own, if the order stays."""
        own = self._database.key(index)
        return own if position == index else b"%08d_%s" % (position, own[-MOST_KEY:])

    def state(self, index: int) -> tuple[int, int]:
        return self._state

    def datum(self, index: int) -> Datum:
        key = self._database.key(index)
        try:
            return decode_datum(self._database.value(key))
        except MalformedError as error:
            raise UnreadableError(f"record {key_text(key)}", f"not a Datum: {error}") from None


class ArrayRecords:
    """Images in memory.

    Parameters
    ----------
    images: uint8 (N, C, H, W), blue first.  labels: of each.  digits: in a key, as Caffe's tools for these data have it.
    pad: zeros around each image.
    """

    def __init__(
        self,
        name: str,
        images: NDArray[np.uint8],
        labels: NDArray[np.integer],
        classes: tuple[str, ...] | None = None,
        digits: int = 8,
        pad: int = 0,
    ):
        self.name, self.size, self.classes = name, len(images), classes
        self._images, self._labels, self._digits, self._pad = images, labels, digits, pad
        self.fingerprint = sha256(images.tobytes() + labels.tobytes() + b"%d" % pad).hexdigest()

    def key(self, position: int, index: int) -> bytes:
        return b"%0*d" % (self._digits, position)

    def state(self, index: int) -> tuple[int, int]:
        return 0, 0  # the fingerprint is of all that they hold

    def datum(self, index: int) -> Datum:
        image = np.pad(self._images[index], ((0, 0), (self._pad,) * 2, (self._pad,) * 2))
        channels, height, width = image.shape
        return Datum(channels, height, width, data=image.tobytes(), label=int(self._labels[index]))


def state_of_file(path: str | Path) -> tuple[int, int]:
    """The size of a file in bytes, and when it was last changed, in nanoseconds; -1, -1 of one that is not there."""
    try:
        found = os.stat(path)
    except OSError:
        return -1, -1
    return found.st_size, found.st_mtime_ns


def datum_of(image: Image.Image, label: int, encoded: str = "") -> Datum:
    """A decoded image, RGB or L, as pixels, or as a file of the given ending."""
    if encoded:
        file = BytesIO()
        image.save(file, FORMATS[encoded], quality=QUALITY)
        channels = len(image.getbands())
        return Datum(channels, image.height, image.width, data=file.getvalue(), label=label, encoded=True)
    pixels = np.atleast_3d(np.asarray(image))[:, :, ::-1].transpose(2, 0, 1)
    channels, height, width = pixels.shape
    return Datum(channels, height, width, data=pixels.tobytes(), label=label)


def pixels_of(datum: Datum, name: str) -> NDArray[np.uint8] | NDArray[np.float32]:
    """The pixels of a record, (C, H, W), blue first.

    Parameters
    ----------
    name: of the record, for messages.

    Raises
    ------
    UnreadableError: it is damaged.
    """
    if datum.encoded:
        image = image_in(datum, name)
        return np.atleast_3d(np.asarray(image))[:, :, ::-1].transpose(2, 0, 1)
    try:
        return datum.pixels.transpose(2, 0, 1)
    except MalformedError as error:
        raise UnreadableError(name, str(error)) from None


def image_in(datum: Datum, name: str) -> Image.Image:
    """The image of a record, RGB or L.

    Raises
    ------
    UnreadableError: it is damaged, or has numbers that are no pixels.
    """
    if datum.encoded:
        return as_image(decode(datum.data, None, name))
    pixels = pixels_of(datum, name)
    if pixels.dtype != np.uint8 or pixels.shape[0] not in (1, 3):
        raise UnreadableError(name, f"no image: {pixels.shape[0]} channels of {pixels.dtype}")
    upright = np.ascontiguousarray(pixels[::-1].transpose(1, 2, 0))
    return Image.fromarray(upright[:, :, 0] if upright.shape[2] == 1 else upright)


def ending(path: str) -> str:
    """The ending of a file's name, in small letters."""
    return Path(path).suffix.lower().lstrip(".")


def record_name(records: Records, index: int) -> str:
    """A record as messages name it."""
    return f"record {printable(records.key(index, index).decode('utf-8', 'surrogateescape'))} of {records.name}"
