"""What the data of a source say of its samples: what a net is built with where its file leaves that to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netdef.graph.data_shapes import SampleShapes
from netdef.layers.data import Data, HDF5Data, ImageData, located
from runtime.data.database import DB_KINDS, open_database
from runtime.data.database_samples import first_record, kind_of_image
from runtime.data.decoding import MODES, read_image
from runtime.data.hdf5_data import shapes_in_files
from runtime.data.listing import read_list
from runtime.data.source import UnreadableError
from runtime.data.transform import size_of


def shapes_in_data(layer: Any) -> SampleShapes | None:
    """The shapes of the first sample; None where the data are not here.

    Raises
    ------
    NetdefError: they are here and cannot be read.
    """
    if type(layer) not in SOURCES or not located(layer, layer.source).exists():
        return None
    return SOURCES[type(layer)](layer)


def _of_database(layer: Any) -> SampleShapes:
    database = open_database(str(located(layer, layer.source)), DB_KINDS[layer.p.backend])
    try:
        image = first_record(database, layer.forced_channels)
        channels, dtype = kind_of_image(image)
        return SampleShapes(((channels, *size_of(image)), ()), floats=dtype == "float32")
    finally:
        database.close()


def _of_list(layer: ImageData) -> SampleShapes | None:
    """Of a list whose images are as large as the first of MOST_TRIED that can be read, which Caffe asks for; None if none can."""
    path = located(layer, layer.source)
    if path.is_dir():
        return None
    listing = read_list(str(path), layer.p.root_folder)
    for index in range(min(len(listing.paths), MOST_TRIED)):
        try:
            image = read_image(listing.path(index), MODES[layer.channels])
        except UnreadableError:
            continue
        return SampleShapes(((layer.channels, *size_of(image)), ()))
    return None


MOST_TRIED = 100  # images that cannot be read, after which the sizes of a list's are not known
SOURCES: dict[type, Callable[[Any], SampleShapes | None]] = {
    Data: _of_database,
    HDF5Data: shapes_in_files,
    ImageData: _of_list,
}
