"""Samples from the records of a database."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from PIL import Image

from netdef.language.diagnostics import NetdefError, Remark
from netdef.language.units import plural
from netdef.weights.wire import MalformedError
from runtime.data.database import Database, key_text
from runtime.data.datum import Datum, decode_datum
from runtime.data.decoding import MODES, as_image, decode
from runtime.data.draws import Draws
from runtime.data.order import Order
from runtime.data.settings import Settings
from runtime.data.skipping import Skipped
from runtime.data.source import Picture, Sample, UnreadableError
from runtime.data.transform import to_sample

MOST_LABELS, MOST_BYTES = 4096, 1 << 28  # records, and bytes of them, that are all looked at before a run
SOME_LABELS = 256  # records that are looked at where there are more
LOOKED_AT = 500  # records that show whether a database is sorted by label
CONVERT = "set force_color or force_gray in transform_param, or convert them all alike"

CheckLabel = Callable[[int, str], None]  # called with a label and the name of its record; raises NetdefError


class DataRemark(Remark):
    """Data are probably not as the user meant them."""


class DatabaseSamples:
    """The records of a database in the order of their keys, or shuffled in each epoch.

    Parameters
    ----------
    draws: the layer's random numbers.
    check_label: called with each label before it is used.
    only: the indices of the records to take; None takes them all.

    Raises
    ------
    NetdefError: rand_skip skips the whole database, or a label that is looked at is no class.
    """

    def __init__(
        self, database: Database, settings: Settings, draws: Draws, check_label: CheckLabel, only: range | list[int] | None = None
    ):
        self.name = database.path
        self.labels: tuple[int, ...] = ()  # they are known only as they come
        self.classes: tuple[str, ...] | None = None
        self._only = range(database.size) if only is None else only
        self.size = len(self._only)
        self.image_shape = settings.image_shape
        self._database, self._settings, self._draws, self._check_label = database, settings, draws, check_label
        self._order = Order(self.size, settings, draws, database.path)
        self._skipped = Skipped(database.path, self.size)
        self._look_at_labels()
        if settings.train and not settings.shuffle and self._seems_sorted():
            text = f"{database.path} seems to be sorted by label, and layer {settings.name} reads it in its order"
            warnings.warn(f"{text}; shuffle: true reads it in another", DataRemark, stacklevel=2)

    def load(self, position: int) -> Sample:
        """Decode and transform the record at a position.

        Raises
        ------
        UnreadableError: its image is damaged, or it is no Datum.
        NetdefError: it has another number of channels than the first one, another size, or a label that is no class.
        """
        image, label, name = self._read(position)
        return to_sample(image, label, self._settings, self._draws, position, name)

    def picture(self, position: int) -> tuple[Image.Image, float]:
        """The image at a position as its record has it, and its label; raises as `load`, and NetdefError: it is no image."""
        image, label, name = self._read(position)
        if kind_of_image(image) not in ((1, "uint8"), (3, "uint8")):
            raise NetdefError(f"{name} has no image of bytes with 1 or 3 channels")
        return as_image(image), label

    def label(self, position: int) -> float:
        """The label of the record at a position, whose image is not decoded.

        Raises
        ------
        UnreadableError: it is no Datum.
        NetdefError: it is no class.
        """
        key = self._database.key(self._only[self._order.entry(position)])
        name = f"{self.name}, record {key_text(key)}"
        label = read_datum(self._database.value(key), name).label
        self._check_label(label, name)
        return label

    def title(self, position: int) -> str:
        """The record at a position, by its key."""
        return f"record {key_text(self._database.key(self._only[self._order.entry(position)]))}"

    def _read(self, position: int) -> tuple[Picture, float, str]:
        """The image at a position, its label and its name."""
        index = self._only[self._order.entry(position)]
        self._skipped.check(index)
        key = self._database.key(index)
        name = f"{self.name}, record {key_text(key)}"
        try:
            datum = read_datum(self._database.value(key), name)
            image = image_of(datum, self._settings.channels if self._settings.converts else None, name)
        except UnreadableError as unreadable:
            self._skipped.add(index, unreadable)
            raise
        self._check_label(datum.label, name)
        self._check_kind(image, name)
        return image, datum.label, name

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def _check_kind(self, image: Picture, name: str) -> None:
        """Raises NetdefError: an image is not of the first one's channels, or of numbers where that was of bytes."""
        channels, dtype = kind_of_image(image)
        if channels != self._settings.channels:
            first = f"the first record's image has {self._settings.channels}"
            raise NetdefError(f"{name} has an image of {plural(channels, 'channel')}, {first}", hint=CONVERT)
        if dtype != self._settings.dtype:
            raise NetdefError(f"{name} has an image of {dtype} numbers, the first record's has {self._settings.dtype}")

    def _look_at_labels(self) -> None:
        """Check labels before a run begins: all of a small database, else those of records at even distances.

        Raises
        ------
        NetdefError: one is no class.
        """
        first = len(self._database.value(self._database.key(self._only[0]))) if self.size else 0
        small = self.size <= MOST_LABELS and self.size * first <= MOST_BYTES
        for index in np.linspace(0, self.size - 1, self.size if small else min(self.size, SOME_LABELS)).astype(int).tolist():
            key = self._database.key(self._only[index])
            try:
                label = decode_datum(self._database.value(key)).label
            except MalformedError:
                continue  # it is named and left out when its turn comes
            self._check_label(label, f"{self.name}, record {key_text(key)}")

    def _seems_sorted(self) -> bool:
        """Whether the labels of the first records only rise; or are one, and that of the last record is another."""
        keys = [self._database.key(self._only[index]) for index in range(min(LOOKED_AT, self.size))]
        try:
            labels = [decode_datum(self._database.value(key)).label for key in keys]
            if len(set(labels)) == 1:
                labels += [labels[0], decode_datum(self._database.value(self._database.last_key())).label]
        except MalformedError:
            return False
        return len(labels) > 2 and labels[0] != labels[-1] and labels == sorted(labels)


def records_of(size: int, train: bool, hold_out: int) -> range | list[int]:
    """The records for training, or those for testing: every `hold_out`th, the first included; 0 gives all to both."""
    if not hold_out:
        return range(size)
    return [index for index in range(size) if index % hold_out] if train else range(0, size, hold_out)


def first_record(database: Database, channels: int | None) -> Picture:
    """The image of a database's first record.

    Parameters
    ----------
    channels: what an encoded image is brought to, 3 or 1; None: what it has.

    Raises
    ------
    NetdefError: it is damaged.
    """
    key = database.key(0)
    name = f"{database.path}, record {key_text(key)}"
    try:
        return image_of(read_datum(database.value(key), name), channels, name)
    except UnreadableError as unreadable:
        raise NetdefError(f"{unreadable.path}: {unreadable.reason}") from None


def read_datum(value: bytes | memoryview, name: str) -> Datum:
    """The Datum in a record.

    Raises
    ------
    UnreadableError: there is none.
    """
    try:
        return decode_datum(value)
    except MalformedError as error:
        raise UnreadableError(name, f"not a Datum ({error})") from None


def image_of(datum: Datum, channels: int | None, name: str) -> Picture:
    """The image of a Datum; raises UnreadableError."""
    if datum.encoded:
        return decode(datum.data, MODES.get(channels or 0), name)
    try:
        return datum.pixels
    except MalformedError as error:
        raise UnreadableError(name, str(error)) from None


def kind_of_image(image: Picture) -> tuple[int, str]:
    """How many channels an image has, and the type of its numbers."""
    return (image.shape[2], str(image.dtype)) if isinstance(image, np.ndarray) else (len(image.getbands()), "uint8")
