"""The HDF5 forms of Caffe's files.  h5py is an extra: it is asked for where a file needs it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from netdef.language.diagnostics import NetdefError

SIGNATURE = b"\x89HDF\r\n\x1a\n"


def is_hdf5(data: memoryview) -> bool:
    return bytes(data[: len(SIGNATURE)]) == SIGNATURE


def h5py_module(what: object) -> Any:
    """h5py, for a file or a setting that needs it."""
    try:
        import h5py
    except ImportError:
        raise NetdefError(f"{what} needs h5py, which is not installed", hint="pip install h5py") from None
    return h5py


def open_file(path: Path, kind: str) -> Any:
    try:
        return h5py_module(path).File(path, "r")
    except OSError as error:
        raise NetdefError(f"{path} is not a whole {kind}: {error}") from None


def read_weights(path: Path) -> dict[str, list[np.ndarray | None]]:
    """The arrays at /data/LAYER/0, 1, ...; a layer's name may have slashes, which HDF5 takes for groups.

    None stands for one that is left out, as those are that belong to another layer.
    """
    found: dict[str, dict[int, np.ndarray]] = {}
    with open_file(path, ".caffemodel.h5") as file:
        if "data" not in file:
            raise NetdefError(f"{path} has no group /data: it is not a .caffemodel.h5")

        def visit(name: str, item: Any) -> None:
            layer, _, index = name.rpartition("/")
            if hasattr(item, "dtype") and layer and index.isdigit():
                found.setdefault(layer, {})[int(index)] = np.asarray(item, np.float32)

        file["data"].visititems(visit)
    return {layer: [blobs.get(index) for index in range(max(blobs) + 1)] for layer, blobs in found.items()}


def write_weights(path: Path, net: Any, read: Callable[[str, int], np.ndarray]) -> None:
    """As Caffe writes them: a group for every layer, and a shared parameter only with the layer that owns it."""
    with h5py_module(path).File(path, "w") as file:
        data = file.create_group("data")
        for layer in net.layers:
            group = data.require_group(layer.name)
            for parameter in layer.parameters:
                if parameter.owner is parameter:
                    array = np.asarray(read(layer.name, parameter.index), "<f4")
                    group.create_dataset(str(parameter.index), data=array)


def read_state(path: Path) -> tuple[int, str, int, list[np.ndarray]]:
    """(iter, learned_net, current_step, history) of a .solverstate.h5."""
    with open_file(path, ".solverstate.h5") as file:
        if "iter" not in file or "history" not in file:
            raise NetdefError(f"{path} has no iter and history: it is not a .solverstate.h5")
        learned_net = file["learned_net"][()] if "learned_net" in file else b""
        history = file["history"]
        return (
            int(file["iter"][0]),
            learned_net.decode("utf-8", "surrogateescape") if isinstance(learned_net, bytes) else str(learned_net),
            int(file["current_step"][0]) if "current_step" in file else 0,
            [np.asarray(history[str(index)], np.float32) for index in range(len(history))],
        )


def write_state(path: Path, iteration: int, learned_net: str, step: int, history: Sequence[np.ndarray]) -> None:
    with h5py_module(path).File(path, "w") as file:
        file.create_dataset("iter", data=np.array([iteration], "<i4"))
        # Caffe reads it as a C string: fixed length, with the zero that ends it.
        name = learned_net.encode("utf-8", "surrogateescape")
        file.create_dataset("learned_net", data=np.array(name, dtype=f"S{len(name) + 1}"))
        file.create_dataset("current_step", data=np.array([step], "<i4"))
        group = file.create_group("history")
        for index, array in enumerate(history):
            group.create_dataset(str(index), data=np.asarray(array, "<f4"))
