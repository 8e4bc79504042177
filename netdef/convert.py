"""`netdef convert`: networks between text and binary protobuf, weights to and from HDF5, solvers between the endings of text."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netdef.fmt import formatted
from netdef.language import Bound, NetdefError, print_message, read_file, read_text
from netdef.language.contents import MOST_TEXT
from netdef.language.find import find_net, packaged
from netdef.language.foreign import holds_hdf5
from netdef.language.kept import keep_fields_of_binary, restore_fields_of_binary
from netdef.language.kinds import SOLVER, kind_of
from netdef.language.units import plural
from netdef.language.writing import write_over
from netdef.schema import message_class
from netdef.schema.rounding import leave_out_ceil

if TYPE_CHECKING:
    from netdef.weights import Weights

TEXT = {".net": "net", ".prototxt": "prototxt", ".pbtxt": "prototxt", ".txt": "prototxt"}
BINARY = (".caffemodel", ".binaryproto", ".pb")
HDF5 = (".h5", ".hdf5")


def convert(source: str, target: str, weights: bool | None = None, overrides: Mapping[str, Any] | None = None) -> str:
    """Write the network in one file to another, in the form of its ending. Returns a line about what was written.

    Parameters
    ----------
    source: a .net, .prototxt or binary NetParameter, the name of a model, or a solver's text; from text to text, comments are kept.
        Or a .caffemodel.h5, which holds weights by layer and no network.
    target: .net and .prototxt are text, .caffemodel and .binaryproto binary; .h5 takes only the weights.
    weights: whether to write the source's weights; by default from a binary file to a binary file.
    overrides: fields of the net to change; comments are then lost, and included files are written out.

    Raises
    ------
    NetdefError: the source cannot be read, the target's ending is unknown or of a form that cannot hold the source, weights are
        asked for and missing, or weights to write are not finite.
    """
    ending = Path(target).suffix
    if ending not in TEXT and ending not in BINARY and ending not in HDF5:
        known = ", ".join([".net", ".prototxt", ".caffemodel", ".caffemodel.h5", ".binaryproto"])
        raise NetdefError(f"{target}: unknown ending", hint=f"endings: {known}")
    path = str(packaged(source, ".txt") or find_net(source))
    if holds_hdf5(path):
        return _convert_hdf5(path, target, ending, weights, overrides)
    if kind_of(path) == SOLVER:
        if overrides:
            raise NetdefError(f"{path} is a solver: --set changes fields of a net")
        return _convert_solver(path, target, ending, weights)
    bound = read_file(path, "NetParameter")
    message = bound.message
    if overrides:
        from netdef.graph.overrides import Overrides

        Overrides(bound.position).apply(message, overrides)
        bound = Bound(message, bound.filename)
    held = sum(len(layer.blobs) for layer in message.layer)
    if (weights or ending in HDF5) and not held:
        raise NetdefError(f"{source} holds no weights", hint="a trained net is a .caffemodel")
    keep = bool(held) and (weights if weights is not None else ending not in TEXT)
    if ending in HDF5 and not keep:
        raise NetdefError(f"{target} holds only weights, no net", hint="leave --no-weights out")
    return _convert_net(bound, path, target, held, keep)


def _convert_net(bound: Bound, path: str, target: str, held: int, keep: bool) -> str:
    """Write a network with or without its `held` arrays of weights."""
    message, ending = bound.message, Path(target).suffix
    for layer in message.layer if held and not keep else ():
        layer.ClearField("blobs")
    if ending in BINARY:
        restore_fields_of_binary(message)
        for layer in message.layer:
            leave_out_ceil(layer)
    written = message.SerializeToString()
    if keep:
        from netdef.weights import weights_in

        arrays = weights_in(memoryview(written), path)
        if ending in HDF5:
            return _write_hdf5(path, target, arrays)
    write_over(target, written if ending in BINARY else _text(bound, target, TEXT[ending], keep))
    return _summary(path, target, message, held, keep)


def _write_hdf5(path: str, target: str, weights: Weights) -> str:
    """Write arrays by layer as a .caffemodel.h5, which cannot hold the net."""
    from netdef.weights import hdf5_writing

    file = io.BytesIO()
    numbered = ((name, [(index, one) for index, one in enumerate(arrays) if one is not None]) for name, arrays in weights.items())
    hdf5_writing.write_weights(file, numbered)
    write_over(target, file.getvalue())
    return f"{path} -> {target}: weights of {plural(len(weights), 'layer')}, without their net"


def _convert_hdf5(path: str, target: str, ending: str, weights: bool | None, overrides: Mapping[str, Any] | None) -> str:
    """Write the weights in a .caffemodel.h5 as HDF5 again, or as a .caffemodel whose layers have only names and weights."""
    from netdef.weights import read_weights, wire

    if overrides:
        raise NetdefError(f"{path} holds weights and no net: --set changes fields of a net")
    if weights is False or ending in TEXT:
        hint = "convert the text of its net instead; .caffemodel and .h5 take the weights"
        raise NetdefError(f"{path} holds weights and no net: {target} would be empty", hint=hint)
    held = read_weights(path)
    if ending in HDF5:
        return _write_hdf5(path, target, held)
    file = io.BytesIO()
    for name, arrays in held.items():
        whole = [array for array in arrays if array is not None]
        if len(whole) < len(arrays):
            hint = "a .caffemodel has every array of a layer; netdef train writes one from the net and these weights"
            raise NetdefError(f"{path} leaves {name} an array that belongs to another layer, which is not named", hint=hint)
        text = message_class("LayerParameter")(name=name).SerializeToString()
        wire.write_layer(file, text, [array.shape for array in whole], whole)
    write_over(target, file.getvalue())
    return f"{path} -> {target}: weights of {plural(len(held), 'layer')}, without their net"


def _convert_solver(path: str, target: str, ending: str, weights: bool | None) -> str:
    if weights is not None:
        raise NetdefError(f"{path} is a solver: it has no weights", hint="leave --weights and --no-weights out")
    if ending not in TEXT:
        raise NetdefError(f"{path} is a solver: it has no binary form", hint=f"endings: {', '.join(TEXT)}")
    bound = read_file(path, "SolverParameter")
    assert bound.source is not None  # only a text is known for a solver
    write_over(target, formatted(bound.source.text, path, TEXT[ending]))
    return f"{path} -> {target}: a solver"


def _text(bound: Bound, target: str, form: str, keep: bool) -> str:
    """A network as text; `keep`: with its weights."""
    if bound.source is None:
        _no_more_than_reads(_least_bytes(bound.message), target)
        keep_fields_of_binary(bound.message)
        text = print_message(bound.message)
        _no_more_than_reads(len(text), target)
        return text if keep else formatted(text, target, form)
    text = formatted(bound.source.text, bound.filename, form)
    if bound.source.included and not _reads_the_same(text, target, bound.message):
        hint = "convert to .prototxt, which contains everything, or first copy the included files there"
        raise NetdefError(f"{target} would not find what {bound.filename} includes", hint=hint)
    return text


def _least_bytes(message: Any) -> int:
    """The least size of the weights in text: for each number its field's name, a space and a digit."""
    return sum(len("data: 0\n") * len(blob.data) for layer in message.layer for blob in layer.blobs)


def _no_more_than_reads(size: int, target: str) -> None:
    """Raises NetdefError where a text is too large to be read again."""
    if size > MOST_TEXT:
        hint = f"netdef reads texts of at most {MOST_TEXT >> 20} MiB; write .caffemodel, or leave the weights out (--no-weights)"
        raise NetdefError(f"{target} would take {size / 2**20:,.0f} MiB or more", hint=hint)


def _reads_the_same(text: str, filename: str, message: Any) -> bool:
    """Whether a text has the same meaning at its new path, from which included files are searched."""
    try:
        return read_text(text, filename, "NetParameter").message == message
    except NetdefError:
        return False


def _summary(source: str, target: str, message: Any, held: int, kept: bool) -> str:
    arrays = ""
    if held:
        count = plural(held, "array")
        arrays = f", with {count} of weights" if kept else f", without its {count} of weights"
    return f"{source} -> {target}: {plural(len(message.layer), 'layer')}{arrays}"
