"""Changes to a net from outside its file: fields by name, and the batch size of its sources."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from netdef.language import read_text
from netdef.language.diagnostics import Diagnostic, NetdefError
from netdef.language.source import Position, Source
from netdef.language.spelling import did_you_mean
from netdef.layers.base import Path
from netdef.schema import layer_fields

NAME = "<override>"
BATCH_SIZE_TYPES = ("Data", "HDF5Data", "ImageData", "MemoryData", "WindowData")


class Overrides:
    """What was changed, and where the changes stand, for messages about them."""

    def __init__(self, where: Callable[[Path], Position | None]):
        self._where = where
        self._changed: dict[Path, Position] = {}

    def where(self, path: Path) -> Position | None:
        """The position of a path, in the override that set it or else in the file."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._changed:
                return self._changed[path[:length]]
        return self._where(path)

    def apply(self, message: Any, changes: Mapping[str, Any]) -> None:
        """Set fields of a NetParameter: {"conv1.num_output": 64, "conv1.weight_filler.std": 0.1, "name": "mine"}.

        A key is the name of a layer, a dot, and a field of its type or of LayerParameter; or a field of the net.
        In a repeated message a number picks one: "conv1.param.0.lr_mult". A list replaces a repeated field.

        Raises
        ------
        NetdefError: with every key or value that does not fit.
        """
        errors: list[Diagnostic] = []
        layers: dict[str, list[int]] = {}
        for index, layer in enumerate(message.layer):
            layers.setdefault(layer.name, []).append(index)
        for key, value in changes.items():
            try:
                for prefix, fields in _targets(message, layers, key):
                    self._set(message, prefix, fields, value, key)
            except NetdefError as error:
                errors.extend(error.diagnostics)
        if errors:
            raise NetdefError(errors)

    def _set(self, message: Any, prefix: Path, fields: list[str], value: Any, key: str) -> None:
        """Set the field that `fields` leads to inside the message at `prefix`."""
        target = _at(message, prefix)
        if prefix and fields[0] not in target.DESCRIPTOR.fields_by_name:
            own = (name for name in layer_fields(target.type) or () if fields[0] in _fields(getattr(target, name)))
            fields = [next(own, (layer_fields(target.type) or ("",))[0]), *fields] if layer_fields(target.type) else fields
        path = list(prefix)
        *inner, leaf = fields
        for name in inner:
            target, step = _step(target, name, key)
            path.append(step)
        text = f"{leaf}: {_text(value, _fields(target).get(leaf))}"
        bound = read_text(text, NAME, target.DESCRIPTOR.name)
        if leaf in _fields(target) and _repeated(target, leaf):
            target.ClearField(leaf)
        target.MergeFrom(bound.message)
        self._changed[(*path, leaf)] = Source(NAME, f"{key} = {value}").position(0, len(key))


def set_batch_size(message: Any, batch_size: int) -> None:
    """Give the sources of a NetParameter another number of images in a batch.

    Raises
    ------
    NetdefError: a batch of less than one image.
    """
    if batch_size < 1:
        raise NetdefError(f"a batch of {batch_size} images", hint="the batch size must be at least 1")
    shapes: list[Any] = []
    for layer in message.layer:
        if layer.type in BATCH_SIZE_TYPES:
            getattr(layer, (layer_fields(layer.type) or ("",))[0]).batch_size = batch_size
        elif layer.type == "Input":
            shapes.extend(layer.input_param.shape)
        elif layer.type == "DummyData":
            shapes.extend(layer.dummy_data_param.shape)
            count = len(layer.dummy_data_param.num)
            layer.dummy_data_param.num[:] = [batch_size] * count
    for shape in shapes:
        if len(shape.dim):
            shape.dim[0] = batch_size


def _targets(message: Any, layers: dict[str, list[int]], key: str) -> list[tuple[Path, list[str]]]:
    """(path of the message, fields inside it) for each layer that a key names, or for the net."""
    for at in range(len(key) - 1, 0, -1):  # a layer's name may hold dots itself: the longest one wins
        if key[at] == "." and key[:at] in layers:
            return [(("layer", index), key[at + 1 :].split(".")) for index in layers[key[:at]]]
    fields = key.split(".")
    if fields[0] in _fields(message):
        return [((), fields)]
    what = f"layer called {fields[0]}" if len(fields) > 1 else f"field {key} of a net"
    known = layers if len(fields) > 1 else _fields(message)
    raise NetdefError(f"override {key}: there is no {what}", hint=did_you_mean(fields[0], known))


def _at(message: Any, path: Path) -> Any:
    for step in path:
        message = message[step] if isinstance(step, int) else getattr(message, step)
    return message


def _step(target: Any, name: str, key: str) -> tuple[Any, str | int]:
    """One step into a message or a repeated field."""
    if name.isdigit() and not hasattr(target, "DESCRIPTOR"):
        index = int(name)
        while len(target) <= index:
            target.add()
        return target[index], index
    if name not in _fields(target):
        text = f"override {key}: {_type(target)} has no field {name}"
        raise NetdefError(text, hint=did_you_mean(name, _fields(target)))
    return getattr(target, name), name


def _fields(target: Any) -> dict[str, Any]:
    return dict(target.DESCRIPTOR.fields_by_name) if hasattr(target, "DESCRIPTOR") else {}


def _type(target: Any) -> str:
    return target.DESCRIPTOR.name if hasattr(target, "DESCRIPTOR") else "a list"


def _repeated(target: Any, name: str) -> bool:
    return not isinstance(getattr(target, name), (str, bytes)) and hasattr(getattr(target, name), "extend")


def _text(value: Any, field: Any) -> str:
    """A Python value as the language writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        if field is None or field.cpp_type != field.CPPTYPE_STRING:
            return value
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    if isinstance(value, Mapping):
        known = field.message_type.fields_by_name if field is not None and field.message_type is not None else {}
        return "{ " + " ".join(f"{name}: {_text(inner, known.get(name))}" for name, inner in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_text(inner, field) for inner in value) + "]"
    return str(value)
