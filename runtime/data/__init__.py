"""Sources of samples for a net: list files, folders, databases, and the photographs and digits of the package.

`open_source(layer, seed)` opens the source of a data layer.  Every batch depends on the seed, the layer's name and the position in
the stream, and on nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from netdef.graph.reach import remark_on_reach
from netdef.layers.data import DIGITS, PHOTOS, Data, HDF5Data, ImageData, MemoryData, WindowData, located
from runtime.data.classes import check_same, classes_in
from runtime.data.database import DB_KINDS, kind_of, open_database
from runtime.data.database_samples import DatabaseSamples, records_of
from runtime.data.digits import DigitSamples, digit_names
from runtime.data.draws import Draws
from runtime.data.files import FileSamples
from runtime.data.hdf5_data import Hdf5Source
from runtime.data.labels import check_labels, label_check
from runtime.data.listing import Listing, folder_names, read_list, scan_folder
from runtime.data.memory import MemorySource
from runtime.data.photos import MiddleWindows, PhotoSamples, WindowsOfFiles, photo_names
from runtime.data.prefetch import Prefetcher, RingSettings, warn_of_skip
from runtime.data.settings import Resize, Settings, at_least_a_side, dtype_of, mean_image_size, settings_of
from runtime.data.source import DEPTH, Batch, OnSkip, Rows, Samples, Source
from runtime.data.views import TEN, views_of
from runtime.data.windows import WindowSamples

if TYPE_CHECKING:
    from netdef.graph.layer import Layer

__all__ = ["Batch", "Source", "class_names", "open_images", "open_source"]

MOST_WORKERS = 8
BUILTIN_SAMPLES: dict[str, Callable[[Settings, Draws], Samples]] = {PHOTOS: PhotoSamples, DIGITS: DigitSamples}
BUILTIN_NAMES = {PHOTOS: photo_names, DIGITS: digit_names}  # of their classes


def open_source(
    layer: Layer,
    seed: int,
    workers: int | None = None,
    hold_out: int = 0,
    on_skip: OnSkip = warn_of_skip,
    classes: Sequence[str] | None = None,
    views: int = 1,
    rows: Rows | None = None,
) -> Source:
    """The samples of a data layer, in the layer's phase.

    An ImageData's `source` is `builtin:photos`, `builtin:digits`, a list file as Caffe has it, a folder with one folder a class,
    or a database.

    Parameters
    ----------
    workers: threads that decode, by default one a core.  The batches do not depend on their number.
    hold_out: every `hold_out`th image of each class is for the test phase only, and the test phase has only those; 0 gives all
        images to both.  Sources that keep training and test images apart themselves (those of the package, a folder that holds
        `train` and `test` or `val`) are not divided.
    on_skip: called once for each image that cannot be read.
    classes: the names of the labels that the weights were trained with.  Class folders get their labels by these names.
    views: how many of each image come, one after the other: 1, 10 or 144, see runtime/data/views.py.
    rows: what has to be read of each batch, where other processes take the rest; arrays in memory are whole.

    Raises
    ------
    NetdefError: the source is missing or holds no images, a line of the list is wrong, fields contradict each other, a
        label is no class of the net, a class is none of `classes`.
    """
    remark_on_reach(layer)
    if views != 1 and not isinstance(layer, Data | ImageData):
        raise layer.error(f"{views} crops are of whole images, which {layer.type} does not give", "type")
    if isinstance(layer, HDF5Data):
        return Hdf5Source(layer, seed)
    if isinstance(layer, MemoryData):
        return MemorySource(layer)
    if isinstance(layer, WindowData):
        windows = WindowSamples(layer, Draws(seed, layer.name))
        check_labels(layer, windows.labels, windows.name)
        return _ring(windows, layer.batch_size, workers, on_skip, RingSettings(dtype_of(layer)), DEPTH, rows)
    assert isinstance(layer, Data | ImageData)
    settings = in_batch = settings_of(layer)
    if views == TEN and settings.resize is None and settings.image_size == settings.crop and (whole := layer.image_size()):
        settings = replace(settings, image_size=whole)  # images of one size, with room around the crop
    draws = Draws(seed, layer.name)
    samples: Samples
    kind = kind_of(settings.source)
    if settings.label_shape and (settings.source in BUILTIN_SAMPLES or Path(settings.source).is_dir() or kind is not None):
        raise layer.error(f"label_size is for lists: {settings.source} has one label for each image", "label_size")
    if settings.source in BUILTIN_SAMPLES:
        samples = BUILTIN_SAMPLES[settings.source](settings, draws)
        check_same(classes, samples.classes, settings.source)
    elif isinstance(layer, Data) or kind is not None:
        database = open_database(settings.source, DB_KINDS[layer.p.backend] if isinstance(layer, Data) else kind)
        only = records_of(database.size, settings.train, hold_out)
        samples = DatabaseSamples(database, settings, draws, label_check(layer), only)
        samples.classes = classes_in(settings.source)
        check_same(classes, samples.classes, settings.source)
    else:
        samples = FileSamples(_listing(settings, hold_out, classes), settings, draws)
    check_labels(layer, samples.labels, samples.name)
    seen = views_of(samples, settings, views, bool(mean_image_size(layer)), in_batch.image_size)
    return _prefetcher(seen, in_batch, workers, on_skip, rows)


def open_images(
    layer: ImageData,
    paths: Sequence[str],
    workers: int | None = None,
    on_skip: OnSkip = warn_of_skip,
    views: int = 1,
    windows: bool = False,
    middle: bool = False,
) -> Source:
    """The given image files in their order, as an ImageData layer would bring them to its net in the test phase; labels are 0.

    Their shorter side is brought to 256 pixels and the centre kept, unless the layer gives another size.  `views`: as `open_source`
    has them.  `windows`: each path, given GRID * GRID times, gives another window of its photograph, see runtime/data/photos.py;
    `middle`: each path gives the middle one.
    """
    remark_on_reach(layer)
    settings = settings_of(layer, source="")
    height, width = settings.image_size if settings.resize or mean_image_size(layer) else at_least_a_side(settings.crop)
    resize = Resize(height, width, stretch=bool(layer.p.new_height and layer.p.new_width))
    fixed = replace(settings, train=False, shuffle=False, rand_skip=0, mirror=False, colors=(), regions=None, sizes=None)
    settings = replace(fixed, resize=resize)
    kind = MiddleWindows if middle else WindowsOfFiles if windows else FileSamples
    samples = kind(Listing("the images given", list(paths), [0] * len(paths)), settings, Draws(0, layer.name))
    return _prefetcher(views_of(samples, settings, views, bool(mean_image_size(layer))), settings, workers, on_skip)


def class_names(layer: ImageData) -> tuple[str, ...]:
    """The names of the classes of an ImageData layer's source, where it is here and names them: the package's and folders do."""
    if layer.source in BUILTIN_NAMES:
        return BUILTIN_NAMES[layer.source]()
    folder = located(layer, layer.source)
    return folder_names(str(folder)) if folder.is_dir() else ()


def _listing(settings: Settings, hold_out: int, classes: Sequence[str] | None) -> Listing:
    if not Path(settings.source).is_dir():
        listing = read_list(settings.source, settings.root_folder, *settings.label_shape)
        return listing.divided(settings.train, hold_out) if hold_out else listing
    listing = scan_folder(settings.source, settings.train, classes)
    has_folders_for_phases = listing.name != settings.source
    return listing.divided(settings.train, hold_out) if hold_out and not has_folders_for_phases else listing


def _prefetcher(samples: Samples, settings: Settings, workers: int | None, on_skip: OnSkip, rows: Rows | None = None) -> Prefetcher:
    holds = RingSettings(settings.dtype, settings.label_shape)
    return _ring(samples, settings.batch_size, workers, on_skip, holds, settings.depth, rows)


def _ring(
    samples: Samples,
    batch_size: int,
    workers: int | None,
    on_skip: OnSkip,
    holds: RingSettings,
    depth: int,
    rows: Rows | None = None,
) -> Prefetcher:
    cores = min(MOST_WORKERS, len(os.sched_getaffinity(0)))
    return Prefetcher(samples, batch_size, workers or cores, depth, on_skip, holds, rows)
