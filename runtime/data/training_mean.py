"""The mean image of a net's training data, computed once and kept for the next run on the same data.

It is kept in the user's cache, $XDG_CACHE_HOME/netdef/means, under a key made of what the data are: their path, the size of each of
their files and when it was last changed, and how images are brought to their size.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from netdef.language.diagnostics import NetdefError
from netdef.layers.data import BUILTIN
from runtime.data.database import files_with_records, kind_of
from runtime.data.listing import read_list, scan_folder
from runtime.data.settings import settings_of
from runtime.data.statistics import write_mean

if TYPE_CHECKING:
    from netdef.layers.data import ImageData
    from runtime.data.settings import Settings
    from runtime.data.source import Source

Sum = NDArray[np.int64] | NDArray[np.float64]
START = {"sample": 0}  # the position of a source that begins


@dataclass(frozen=True)
class Pass:
    """What one pass over a source's images found.

    Attributes
    ----------
    images: how many could be read.  labels: how many of each label, where an image has one.
    total: (h, w, C), the sum of the images.
    """

    images: int
    labels: dict[int, int]
    total: Sum

    @property
    def mean(self) -> NDArray[np.float32]:
        """float32 (C, h, w)."""
        return np.ascontiguousarray((self.total / self.images).transpose(2, 0, 1), np.float32)


def look_through(source: Source, on_done: Callable[[int], None] = lambda done: None) -> Pass:
    """Read every image of a source once; it is at its start afterwards."""
    source.seek(START)
    total: Sum = np.zeros(source.image_shape, np.int64)
    labels: dict[int, int] = {}
    images = 0
    while True:
        batch = source.next()
        mine = batch.positions < source.size
        pixels = batch.images[mine]
        total = total + pixels.sum(axis=0, dtype=np.int64 if pixels.dtype == np.uint8 else np.float64)
        for label, count in zip(
            *np.unique(batch.labels[mine][: None if batch.labels.ndim == 1 else 0], return_counts=True), strict=True
        ):
            labels[int(label)] = labels.get(int(label), 0) + int(count)
        images += int(mine.sum())
        last = int(batch.positions[-1])
        source.release(batch)
        on_done(min(last + 1, source.size))
        if last >= source.size - 1:
            break
    source.seek(START)
    return Pass(images, dict(sorted(labels.items())), total)


def training_mean(
    layer: ImageData, source: Source, hold_out: int, on_done: Callable[[int], None] = lambda done: None
) -> NDArray[np.float32]:
    """The mean image of a layer's training data, float32 (C, h, w), from the cache if it is there.

    Parameters
    ----------
    source: the layer's, open.  hold_out: of its images, see `open_source`; those kept for testing are not in the mean.

    Raises
    ------
    NetdefError: images have no size in common, or none can be read.
    """
    settings = settings_of(layer)
    if settings.resize is None and layer.image_size() is None and settings.crop == settings.image_size:
        raise layer.error("images of any size have no mean image", hint="set new_height: 256, say")
    made = (settings.resize, settings.image_shape, hold_out, source.size)
    kept = cache_folder() / f"{key_of(settings, repr(made))}.npy"
    try:
        return np.asarray(np.load(kept, allow_pickle=False), np.float32)
    except (OSError, ValueError):
        mean = look_through(source, on_done).mean
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_mean(str(kept), mean)
    except (OSError, NetdefError):
        pass  # a home that cannot be written to: the mean is computed again next time
    return mean


def cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "netdef" / "means"


def key_of(settings: Settings, made: str) -> str:
    """The key of data: another one once a file is added, removed, or written again."""
    digest = sha256(json.dumps([str(Path(settings.source).resolve()), made]).encode())
    for path in files_of(settings):
        try:
            found = os.stat(path)
            state = f"{found.st_size} {found.st_mtime_ns}"
        except OSError:  # an image that is not there is left out of the mean
            state = "missing"
        digest.update(f"{os.path.abspath(path)} {state}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def files_of(settings: Settings) -> Iterator[str]:
    """The files of a layer's training data: the list and its images, the images of a folder, or those of a database."""
    path = Path(settings.source)
    if settings.source.startswith(BUILTIN):
        return
    if kind_of(settings.source) is not None:
        yield from map(str, files_with_records(settings.source))
        return
    if path.is_file():
        yield settings.source
    listing = (
        scan_folder(settings.source, True)
        if path.is_dir()
        else read_list(settings.source, settings.root_folder, *settings.label_shape)
    )
    yield from map(listing.path, range(len(listing.paths)))
