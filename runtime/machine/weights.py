"""Weights between files and an executable: load them layer by layer, write them as Caffe does."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from netdef.diff.trained import other_settings
from netdef.language.diagnostics import NetdefError, Remark
from netdef.language.units import plural, shortened
from netdef.language.writing import replacing
from netdef.layers.normalize import DIVISOR, VARIANCE, BatchNorm
from netdef.schema.rounding import leave_out_ceil
from netdef.weights import Fit, Weights, fit_weights, hdf5_writing, read_weights, wire
from netdef.weights.snapshots import weights_of_run
from netdef.weights.trained_net import trained_net

if TYPE_CHECKING:
    from netdef.graph.layer import Layer
    from netdef.graph.net import Net

SHOWN = 8  # layers named in a line
OTHER_NET = "warning: "  # begins the lines about a net that differs from the one of the weights

Paths = str | Path | Sequence[str | Path]
Reader = Callable[[str, int], np.ndarray]  # gives parameter i of a layer by (name, i), in Caffe's shape
Writer = Callable[[str, int, np.ndarray], None]  # overwrites it


class WeightsRemark(Remark):
    """Weights were loaded, but not all of a net's or not all of a file's."""


class OtherNetRemark(WeightsRemark):
    """A net has other settings than the one that its weights were trained in."""

    word = "warning"


class MissingWeightsError(NetdefError):
    """Layers of a net are in no file of weights."""

    def __init__(self, files: str, layers: Sequence[str]) -> None:
        super().__init__(
            f"{files}: no weights for {listed(layers, ' of the net')}",
            hint="--allow-missing (allow_missing=True) runs the net with what the fillers of these layers give",
        )
        self.layers = tuple(layers)


KEPT = "what their fillers gave stays"  # of layers without weights


def remark(text: str) -> None:
    """Warn of what loading left out, and of a net that differs from the trained one; commands print a note, or a warning."""
    kind = OtherNetRemark if text.startswith(OTHER_NET) else WeightsRemark
    warnings.warn(text.removeprefix(OTHER_NET), kind, stacklevel=4)


@dataclass(frozen=True)
class Loaded:
    """The result of loading weights.

    Attributes
    ----------
    filled: layers whose weights were in a file, in the net's order.
    missing: layers with weights that are in none of the files and keep those they had.
    extra: layers of the files that the net does not have.
    files: that were read; for the directory of a run, its last weights.
    """

    filled: tuple[str, ...]
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    files: tuple[str | Path, ...] = ()


def load_weights(paths: Paths, net: Net, write: Writer, allow_missing: bool = False, say: Callable[[str], None] = remark) -> Loaded:
    """Copy weights from files into a net's parameters, layer by layer, by name.

    Parameters
    ----------
    paths: a .caffemodel, a .caffemodel.h5, the directory of a run, which stands for its last weights, or several of them; where
        two have a layer, the later one's weights stay.
    write: overwrites a parameter.
    allow_missing: whether layers may keep the weights they have, so that a net is tuned from another's.
    say: called with a line about layers that are missing, one about each file's extra layers, and one for each setting that is
        another than in the net of a .caffemodel.

    Raises
    ------
    NetdefError: see `read_weights`; or shapes differ, or no layer of a file is in the net.  Nothing was copied then.
    MissingWeightsError: layers are in none of the files.  Nothing was copied then.
    """
    files = files_of(paths)
    fits = [read_and_fit(net.layers, path) for path in files]
    missing = tuple(name for name in fits[0].missing if all(name in fit.missing for fit in fits))
    where = " and ".join(map(str, files))
    if missing and not allow_missing:
        raise MissingWeightsError(where, missing)
    for fit in fits:
        copy(fit, write)
    if missing:
        say(f"{where}: no weights for {listed(missing)}; {KEPT}")
    for path, fit in zip(files, fits, strict=True):
        for difference in other_settings(net, trained_net(path)):
            say(f"{OTHER_NET}{path}: {difference}")
        if fit.extra:
            say(f"{path}: {listed(fit.extra, ' that the net does not have')}")
    filled = {name for fit in fits for name in fit.values}
    extra = dict.fromkeys(name for fit in fits for name in fit.extra)
    return Loaded(tuple(layer.name for layer in net.layers if layer.name in filled), missing, tuple(extra), tuple(files))


def files_of(paths: Paths) -> list[str | Path]:
    """One path or several as a list; a run's directory as its last weights.

    Raises
    ------
    NetdefError: there is none, something else is among them, or a run has no weights.
    """
    hint = "give the path of a .caffemodel, of a .caffemodel.h5 or of a run's directory, or a list of such paths"
    if not isinstance(paths, str | Path | Sequence):
        raise NetdefError(f"expected files of weights, not {type(paths).__name__}", hint=hint)
    files = [paths] if isinstance(paths, str | Path) else list(paths)
    wrong = [type(path).__name__ for path in files if not isinstance(path, str | Path)]
    if wrong or not files:
        raise NetdefError(f"expected files of weights, not {wrong[0]}" if wrong else "no file of weights is given", hint=hint)
    return [weights_of_run(file) if Path(file).is_dir() else file for file in files]


def read_and_fit(layers: Iterable[Layer], path: str | Path) -> Fit:
    """How the weights of a file fit the layers of a net.

    Raises
    ------
    NetdefError: see `read_weights`; or shapes differ (all layers are listed), or no layer of the net is in the file.
    """
    weights = read_weights(path)
    fit = fit_weights(layers, weights)
    if fit.misshapen:
        raise NetdefError(
            f"the weights in {path} do not fit the net:\n  " + "\n  ".join(map(str, fit.misshapen)),
            hint="a layer that should start afresh needs a name of its own",
        )
    if not fit.values:
        raise no_layer_matches(path, fit, weights)
    return fit


def no_layer_matches(path: str | Path, fit: Fit, weights: Weights) -> NetdefError:
    """The error for a file of another net's weights."""
    names = [listed(fit.missing) if fit.missing else "none with weights", listed([*weights])]
    return NetdefError(f"no layer of the net is in {path}", hint=f"the net's: {names[0]}; the file's: {names[1]}")


def without_statistics(net: Net, read: Reader) -> list[str]:
    """The layers of a net that normalise by running statistics, and have those of no batch.

    As in Caffe their mean and variance count as 0, so that they divide by sqrt(eps).
    """
    layers = [layer for layer in net.layers if isinstance(layer, BatchNorm) and layer.use_global_stats]
    empty = [layer for layer in layers if read(layer.name, DIVISOR).item() == 0]
    return [layer.name for layer in empty if not (layer.scale_bias and read(layer.name, VARIANCE).any())]


def copy(fit: Fit, write: Writer) -> None:
    """Copy the arrays that fit."""
    for layer, arrays in fit.values.items():
        for index, array in enumerate(arrays):
            if array is not None:
                write(layer, index, array)


def listed(names: Sequence[str], which: str = "") -> str:
    """2 layers that the net lacks: fc7, fc8; at most SHOWN of them by name."""
    return f"{plural(len(names), 'layer')}{which}: {shortened(names, SHOWN)}"


def write_weights(path: str | Path, net: Net, read: Reader) -> None:
    """Write a net's weights as Caffe does: to a path ending in .h5 as HDF5, to any other as a binary NetParameter.

    Parameters
    ----------
    net: a .caffemodel has its layers' text too.
    read: gives one array at a time, so that no two are held.

    Raises
    ------
    NetdefError: it cannot be written; a file that was there is untouched.
    """
    with replacing(path, make_folders=True) as partial:
        write_weights_into(partial, net, read, as_hdf5=str(path).endswith(".h5"))


def write_weights_into(path: Path, net: Net, read: Reader, as_hdf5: bool) -> None:
    """The same, straight into a file.

    Raises
    ------
    OSError: it cannot be written.
    """
    if as_hdf5:
        hdf5_writing.write_weights(path, owned_arrays(net, read))
    else:
        write_caffemodel(path, net, read)


def read_as_written(path: str | Path, net: Net, read: Reader) -> None:
    """Read a net's arrays in the order in which `write_weights` does: for a rank whose arrays another one writes."""
    for layer in net.layers:
        for one in layer.parameters:
            if not (one.shared and str(path).endswith(".h5")):
                read(layer.name, one.index)


def owned_arrays(net: Net, read: Reader) -> Iterable[tuple[str, Iterable[tuple[int, np.ndarray]]]]:
    """A net's arrays by layer; a shared one only with the layer that owns it, as Caffe writes HDF5."""
    for layer in net.layers:
        yield layer.name, ((one.index, read(layer.name, one.index)) for one in layer.parameters if not one.shared)


def write_caffemodel(path: Path, net: Net, read: Reader) -> None:
    """Write a binary NetParameter without holding more than one array."""
    with open(path, "wb") as file:
        wire.write_net_name(file, net.name)
        for layer in net.layers:
            arrays = (read(layer.name, parameter.index) for parameter in layer.parameters)
            wire.write_layer(file, layer_text(layer), [parameter.shape for parameter in layer.parameters], arrays)


def layer_text(layer: Layer) -> bytes:
    """A layer's LayerParameter without weights, serialized, under the layer's name in the net."""
    message = type(layer.message)()
    message.CopyFrom(layer.message)
    message.ClearField("blobs")
    message.name = layer.name
    leave_out_ceil(message)
    return message.SerializeToString()
