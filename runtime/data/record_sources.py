"""Open what holds labelled images, as records."""

from __future__ import annotations

from pathlib import Path

from netdef.language.diagnostics import NetdefError
from runtime.data.database import kind_of, open_database
from runtime.data.hdf5_records import Hdf5Records, Names, is_hdf5_source
from runtime.data.listing import read_list, scan_folder
from runtime.data.records import DatabaseRecords, FileRecords, Records, Stored

AS_IT_IS = Stored()


def open_records(
    source: str, root: str = "", stored: Stored = AS_IT_IS, train: bool = True, datasets: Names | None = None
) -> Records:
    """The records of a list of images, of a folder with one folder a class, of a database, or of HDF5 files.

    Parameters
    ----------
    root: put before each path of a list.  train: of a folder that holds `train` and `test` or `val`, which.
    datasets: of HDF5 files; None takes those of the usual names.

    Raises
    ------
    NetdefError: it is missing, damaged or empty; or is a database or HDF5, whose records are as they are, and `stored` asks for
        others; or `datasets` are given for something else.
    """
    if is_hdf5_source(source):
        check_as_they_are(source, "in HDF5", stored, root)
        return Hdf5Records(source, datasets or Names())
    if datasets is not None and datasets.given:
        raise NetdefError(f"{source} is not HDF5, which has datasets", hint="leave --datasets out")
    if kind_of(source) is not None:
        check_as_they_are(source, "a database", stored, root)
        return DatabaseRecords(open_database(source))
    listing = scan_folder(source, train) if Path(source).is_dir() else read_list(source, root)
    return FileRecords(listing, stored)


def check_as_they_are(source: str, what: str, stored: Stored, root: str) -> None:
    """Raises NetdefError where images are to be stored in another way than their records have them."""
    if stored != AS_IT_IS or root:
        raise NetdefError(f"{source} is {what}: its records are copied as they are", hint="leave out how to read images")
