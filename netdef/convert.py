"""`netdef convert`: networks between text and binary protobuf."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from netdef.fmt import formatted, write_over
from netdef.fmt.files import write_bytes
from netdef.language import NetdefError, print_message, read_file
from netdef.language.files import is_text_file
from netdef.units import plural

TEXT = {".net": "net", ".prototxt": "prototxt", ".pbtxt": "prototxt", ".txt": "prototxt"}
BINARY = (".caffemodel", ".binaryproto", ".pb")
HDF5 = (".h5", ".hdf5")


def convert(source: str, target: str, weights: bool | None = None) -> str:
    """Write the network in one file to another, in the form that its ending says. Returns what was done, in words.

    Parameters
    ----------
    source: a .net, .prototxt or binary NetParameter; in text, comments go along.
    weights: whether weights that the source holds go along; by default from a binary file to a binary file.

    Raises
    ------
    NetdefError: the source cannot be read, the target's ending says nothing, or weights are asked for that are not there.
    """
    if target.endswith(HDF5) or source.endswith(HDF5):
        raise NetdefError("convert does not know HDF5", hint="netdef train writes .caffemodel.h5 where snapshot_format is HDF5")
    ending = Path(target).suffix
    if ending not in TEXT and ending not in BINARY:
        known = ", ".join([".net", ".prototxt", ".caffemodel", ".binaryproto"])
        raise NetdefError(f"{target}: what form is that?", hint=f"endings: {known}")
    bound = read_file(source, "NetParameter")
    message = bound.message
    held = sum(len(layer.blobs) for layer in message.layer)
    if weights and not held:
        raise NetdefError(f"{source} holds no weights", hint="a trained net is a .caffemodel")
    keep = held and (weights if weights is not None else ending in BINARY)
    if held and not keep:
        for layer in message.layer:
            layer.ClearField("blobs")
    if ending in BINARY:
        write_bytes(target, message.SerializeToString())
    elif is_text_file(source):
        write_over(target, formatted(Path(source).read_text(encoding="utf-8"), source, TEXT[ending]))
    else:
        text = print_message(message)
        write_over(target, formatted(text, target, TEXT[ending]) if not keep else text)
    return _told(source, target, message, held, bool(keep))


def _told(source: str, target: str, message: Any, held: int, kept: bool) -> str:
    arrays = ""
    if held:
        count = plural(held, "array")
        arrays = f", with {count} of weights" if kept else f", without its {count} of weights"
    return f"{source} -> {target}: {plural(len(message.layer), 'layer')}{arrays}"
