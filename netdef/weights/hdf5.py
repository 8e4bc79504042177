"""Read the HDF5 forms of Caffe's files.  h5py is an extra: it is imported when a file needs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from netdef.language.diagnostics import NetdefError, UnreadableError
from netdef.language.extras import install
from netdef.language.foreign import HDF5_SIGNATURE
from netdef.language.reach import refuses_outside

OTHER_FILE = "copy its numbers into this one, or leave out --inside, if you trust it"
MOST_BLOBS = 1000  # of one layer; an index beyond it is damage
MOST_PACKED = 1032  # numbers take at most so many times the bytes of their file: deflate's best ratio


def is_hdf5(data: memoryview) -> bool:
    """Whether a file's bytes are HDF5's."""
    return bytes(data[: len(HDF5_SIGNATURE)]) == HDF5_SIGNATURE


def h5py_module(what: object) -> Any:
    """h5py, for a file or a setting that needs it.

    Raises
    ------
    NetdefError: it is not installed.
    """
    try:
        import h5py
    except ImportError:
        raise UnreadableError(f"{what} needs h5py, which is not installed", hint=install("hdf5")) from None
    return h5py


@contextmanager
def reading(path: Path, form: str) -> Iterator[Any]:
    """An open HDF5 file.  On damaged files h5py raises OSError, KeyError, RuntimeError, TypeError, ValueError and others.

    Raises
    ------
    NetdefError: the file is damaged; instead of every error that is raised while it is read.
    """
    h5py = h5py_module(path)
    with damage_named(path, form), h5py.File(path, "r") as file:
        if refuses_outside():
            _refuse_other_files(h5py, path, file)
        yield file


def _refuse_other_files(h5py: Any, path: Path, file: Any) -> None:
    """Raises NetdefError: a link or a dataset of a file takes its numbers from another one."""
    groups, seen = [file], set[int]()
    while groups:
        group = groups.pop()
        address = h5py.h5o.get_info(group.id).addr
        for name in () if address in seen else group:
            link = group.get(name, getlink=True)
            item = group.get(name) if isinstance(link, h5py.HardLink) else None
            if isinstance(item, h5py.Group):
                groups.append(item)
            if isinstance(link, h5py.ExternalLink) or (isinstance(item, h5py.Dataset) and (item.is_virtual or item.external)):
                raise NetdefError(f"{path}: {name} in {group.name} lies in another file", hint=OTHER_FILE)
        seen.add(address)


@contextmanager
def damage_named(path: Path, form: str) -> Iterator[None]:
    """Errors of the block are errors of this file, which has this form; raises as `reading`."""
    try:
        yield
    except (NetdefError, MemoryError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise NetdefError(f"{path} is not a whole {form}: {reason}") from None


def read_weights(path: Path) -> dict[str, list[np.ndarray | None]]:
    """The arrays at /data/LAYER/0, 1, ... by layer, float32; a layer's name may have slashes, which HDF5 takes for groups.

    None marks an array that is left out: it belongs to another layer.

    Raises
    ------
    NetdefError: the file is damaged, or is another kind of HDF5 file.
    """
    found: dict[str, dict[int, np.ndarray]] = {}
    with reading(path, ".caffemodel.h5") as file:
        if "data" not in file:
            raise NetdefError(f"{path} has no group /data: it is not a .caffemodel.h5")

        def visit(name: str, item: Any) -> None:
            layer, _, index = name.rpartition("/")
            if hasattr(item, "dtype") and layer and index.isascii() and index.isdecimal():
                if int(index) >= MOST_BLOBS:
                    raise ValueError(f"layer {layer} has an array number {index}")
                found.setdefault(layer, {})[int(index)] = read_array(path, item)

        file["data"].visititems(visit)
    return {layer: [blobs.get(index) for index in range(max(blobs) + 1)] for layer, blobs in found.items()}


def read_array(path: Path, dataset: Any) -> np.ndarray:
    """A dataset's numbers as float32."""
    with np.errstate(over="ignore"):  # a double that is too large becomes infinite, which check_finite reports
        return np.asarray(read_value(path, dataset), np.float32)


def read_value(path: Path, dataset: Any) -> Any:
    """What a dataset holds; raises as `check_claim`."""
    check_claim(path, dataset)
    return dataset[()]


def check_claim(path: Path, dataset: Any) -> None:
    """Check the size of a dataset before memory is taken for it.

    Raises
    ------
    ValueError: it claims more than the file can hold.
    """
    size = dataset.size * dataset.dtype.itemsize
    if size > MOST_PACKED * path.stat().st_size:
        raise ValueError(f"{dataset.name} claims {size:,} bytes, more than the file can hold")


def read_state(path: Path) -> tuple[int, str, int, list[np.ndarray]]:
    """(iter, learned_net, current_step, history) of a .solverstate.h5.

    Raises
    ------
    NetdefError: the file is damaged, or is another kind of HDF5 file.
    """
    with reading(path, ".solverstate.h5") as file:
        if "iter" not in file or "history" not in file:
            raise NetdefError(f"{path} has no iter and history: it is not a .solverstate.h5")
        learned_net = read_value(path, file["learned_net"]) if "learned_net" in file else b""
        history = file["history"]
        return (
            int(file["iter"][0]),
            learned_net.decode("utf-8", "surrogateescape") if isinstance(learned_net, bytes) else str(learned_net),
            int(file["current_step"][0]) if "current_step" in file else 0,
            [read_array(path, history[str(index)]) for index in range(len(history))],
        )
