"""Weights in files: Caffe's .caffemodel (binary NetParameter) and .caffemodel.h5, read and written."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from netdef.language.diagnostics import NetdefError
from runtime.machine import hdf5, wire
from runtime.machine.files import replacing

if TYPE_CHECKING:
    from netdef.graph.layer import Layer
    from netdef.graph.net import Net
    from runtime.machine.executable import Executable

Weights = Mapping[str, Sequence[np.ndarray | None]]  # by layer; None where a file leaves a shared one to its owner

# Where a NetParameter keeps its name and layers, and each format's layer its name and blobs (netdef.proto).
NET_NAME, OLD_LAYERS, LAYERS = 1, 2, 100
LAYER_NAME, LAYER_BLOBS = 1, 7
V1_NAME, V1_BLOBS, V1_INNER = 4, 6, 1
V0_NAME, V0_BLOBS = 1, 50


def read_weights(path: str | Path) -> dict[str, list[np.ndarray | None]]:
    """The weights in a .caffemodel of any age, or a .caffemodel.h5, by layer; layers without any are left out.

    None stands for a shared parameter that the file has with its owner only.

    Arrays are float32 in Caffe's shapes, read-only views of the file where that can be.

    Raises
    ------
    NetdefError: the file is missing, is something else, is cut short, or holds no weights.
    """
    path = Path(path)
    data = contents(path)
    if hdf5.is_hdf5(data):
        weights = hdf5.read_weights(path)
    else:
        try:
            weights = {name: [*blobs] for name, blobs in (read_layer(*layer) for layer in layers_of(data))}
        except wire.MalformedError as error:
            raise NetdefError(
                f"{path} is not a .caffemodel, or is cut short: {error} ({len(data):,} bytes in all)",
                hint="weights are read from .caffemodel and .caffemodel.h5 files",
            ) from None
    weights = {name: blobs for name, blobs in weights.items() if blobs}
    if not weights:
        raise NetdefError(f"{path} holds no weights", hint="the net's text belongs before --weights, not after it")
    return weights


def contents(path: Path) -> memoryview:
    """A file's bytes, mapped rather than read: networks are large and most are copied only once."""
    try:
        with open(path, "rb") as file:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except ValueError:
        raise NetdefError(f"{path} is empty") from None
    except OSError as error:
        raise NetdefError(f"cannot read {path}: {error.strerror}") from None


def layers_of(data: memoryview) -> list[tuple[int, memoryview]]:
    """The layers of a NetParameter, each with the number of the field that holds it."""
    return [
        (number, value) for number, _, value in wire.fields(data) if number in (LAYERS, OLD_LAYERS) and not isinstance(value, int)
    ]


def read_layer(number: int, data: memoryview) -> tuple[str, list[np.ndarray]]:
    """A layer's name and blobs, in today's format or in one of the two older ones."""
    if number == LAYERS:
        return read_named_blobs(data, LAYER_NAME, LAYER_BLOBS)
    for number_, _, value in wire.fields(data):
        if number_ == V1_INNER and not isinstance(value, int):
            return read_named_blobs(value, V0_NAME, V0_BLOBS)
    return read_named_blobs(data, V1_NAME, V1_BLOBS)


def read_named_blobs(data: memoryview, name_number: int, blobs_number: int) -> tuple[str, list[np.ndarray]]:
    name, blobs = "", []
    for number, _, value in wire.fields(data):
        if isinstance(value, int):
            continue
        if number == name_number:
            name = bytes(value).decode("utf-8", "replace")
        elif number == blobs_number:
            blobs.append(wire.read_blob(value))
    return name, blobs


def write_weights(path: str | Path, net: Net, read: Callable[[str, int], np.ndarray]) -> None:
    """Write a net's weights as Caffe does: to a path ending in .h5 as HDF5, to any other as a binary NetParameter.

    Parameters
    ----------
    net: its layers' own text goes into a .caffemodel beside their weights.
    read: gives parameter i of a layer by (name, i), in Caffe's shape; one is held at a time.

    Raises
    ------
    NetdefError: it cannot be written; a file that was there is untouched.
    """
    with replacing(path) as beside:
        if str(path).endswith(".h5"):
            hdf5.write_weights(beside, net, read)
        else:
            write_caffemodel(beside, net, read)


def write_caffemodel(path: Path, net: Net, read: Callable[[str, int], np.ndarray]) -> None:
    with open(path, "wb") as file:
        name = net.name.encode()
        file.write(wire.prefix(NET_NAME, len(name)) + name)
        for layer in net.layers:
            text = layer_text(layer)
            sizes = [wire.blob_size(parameter.shape) for parameter in layer.parameters]
            blobs = sum(len(wire.prefix(LAYER_BLOBS, size)) + size for size in sizes)
            file.write(wire.prefix(LAYERS, len(text) + blobs) + text)
            for parameter in layer.parameters:
                wire.write_blob(file, LAYER_BLOBS, read(layer.name, parameter.index), parameter.shape)


def layer_text(layer: Layer) -> bytes:
    """A layer's LayerParameter without weights, serialized, with the name it goes by."""
    message = type(layer.message)()
    message.CopyFrom(layer.message)
    message.ClearField("blobs")
    message.name = layer.name
    return message.SerializeToString()


def load_weights(path: str | Path, executable: Executable) -> list[str]:
    """Copy a file's weights into an executable by layer name; see `fit_weights`.  Returns the layers that were filled."""
    fit = fit_weights(executable.net, read_weights(path), path)
    for layer, arrays in fit.values.items():
        for index, array in enumerate(arrays):
            if array is not None:
                executable.set_param(layer, index, array)
    return list(fit.values)


@dataclass
class Fit:
    """How a file's weights fit a net."""

    values: dict[str, list[np.ndarray | None]] = field(default_factory=dict)  # by layer, in the net's shapes
    missing: list[str] = field(default_factory=list)  # layers of the net that the file does not have
    unused: list[str] = field(default_factory=list)  # layers of the file that the net does not have


def fit_weights(net: Net, weights: Weights, path: str | Path) -> Fit:
    """Match a file's weights to a net's layers by name, as Caffe does.

    Layers of the net that the file lacks keep the weights they have, so that a net can be tuned from another's.  A shared
    parameter may be missing where its owner's layer is not.

    Raises
    ------
    NetdefError: no layer has the name of one in the file, or layers' weights are of other shapes; all are listed.
    """
    fit, wrong = Fit(), []
    for layer in net.layers:
        wanted = [tuple(parameter.shape) for parameter in layer.parameters]
        elsewhere = [parameter.owner is not parameter and parameter.owner.layer.name in weights for parameter in layer.parameters]
        if not wanted:
            continue
        if layer.name not in weights and not all(elsewhere):
            fit.missing.append(layer.name)
            continue
        given = [*weights.get(layer.name, ())]
        given += [None] * (len(wanted) - len(given))
        if len(given) == len(wanted) and all(map(fits, given, wanted, elsewhere)):
            fit.values[layer.name] = [a if a is None else a.reshape(shape) for a, shape in zip(given, wanted, strict=True)]
        else:
            held = shapes(array.shape for array in given if array is not None)
            wrong.append(f"{layer.name}: {shapes(wanted)} in the net, {held} in the file")
    fit.unused = [name for name in weights if not any(layer.name == name for layer in net.layers)]
    if wrong:
        raise NetdefError(
            f"the weights in {path} do not fit the net:\n  " + "\n  ".join(wrong),
            hint="a layer that should start afresh needs a name of its own",
        )
    if not fit.values:
        raise NetdefError(
            f"no layer of the net is in {path}",
            hint=f"the net's layers: {', '.join(fit.missing) or 'none with weights'}; the file's: {', '.join(weights)}",
        )
    return fit


def fits(array: np.ndarray | None, shape: tuple[int, ...], elsewhere: bool) -> bool:
    """Whether an array has a shape; none does where it is found with the parameter's owner."""
    return elsewhere if array is None else same_shape(array, shape)


def same_shape(array: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether an array has a shape; old files give every shape four axes, with ones in front."""
    if array.shape == shape:
        return True
    return array.ndim == 4 and len(shape) < 4 and array.shape == (1,) * (4 - len(shape)) + shape


def shapes(of: Iterable[tuple[int, ...]]) -> str:
    return " and ".join("x".join(map(str, shape)) or "()" for shape in of) or "nothing"
