"""A net beside a file of weights, or two such files: which layers find weights of their shape, by name as loading does."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from netdef.diff.findings import Facts, Finding, Row
from netdef.graph.net import Net, Shape, shape_text
from netdef.language.diagnostics import NetdefError

Shapes = dict[str, tuple[Shape, ...]]  # by the layer's name, one for each parameter


@dataclass(frozen=True)
class Held:
    """What a net or a file has for each layer by name: the shapes of its parameters, and marks of their values if it has those."""

    shapes: Shapes
    values: dict[str, bytes] | None = None


@dataclass
class WeightsDifference:
    """Layers whose weights do not fit, or of two files have other values; false if there are none."""

    before: str
    after: str
    fitting: list[str] = field(default_factory=list)
    other_shape: list[tuple[str, str, str]] = field(default_factory=list)  # layer, before, after
    other_values: list[str] = field(default_factory=list)  # of those that fit
    missing: list[tuple[str, str]] = field(default_factory=list)  # layer of `before` alone, its shapes
    extra: list[tuple[str, str]] = field(default_factory=list)  # layer of `after` alone, its shapes
    renamed: list[tuple[str, str]] = field(default_factory=list)  # a missing and an extra layer, likely one and the same

    def __bool__(self) -> bool:
        return bool(self.other_shape or self.other_values or self.missing or self.extra)

    @property
    def subject(self) -> str:
        """What the first line says beside the names."""
        total = len(self.fitting) + len(self.other_shape) + len(self.missing)
        return f"weights of {len(self.fitting)} of {total} layers fit"

    @property
    def findings(self) -> list[Finding]:
        """The same as a diff of nets has it."""
        found = []
        if self.other_shape:
            rows = [Row((name,), "weights", a, b) for name, a, b in self.other_shape]
            found.append(Finding("changed", "Other shapes", rows=rows))
        if self.other_values:
            found.append(Finding("changed", "Other values, of one shape", lines=[", ".join(self.other_values)]))
        for kind, file, rows_of_one, side in (("removed", self.before, self.missing, 0), ("inserted", self.after, self.extra, 1)):
            facts = [Facts(name, {"weights": (None, text) if side else (text, None)}, {}) for name, text in rows_of_one]
            if facts:
                found.append(Finding(kind, f"Only in {file}", facts=facts))
        if self.renamed:
            pairs = ", ".join(f"{a} and {b}" for a, b in self.renamed)
            found.append(Finding("renamed", f"Alike in shape, perhaps renamed: {pairs}"))
        return found


def shapes_of_nets(nets: Mapping[str, Net]) -> Shapes:
    """The shapes of all parameters of a net, in whatever phase."""
    return {
        layer.name: tuple(parameter.shape for parameter in layer.parameters)
        for net in nets.values()
        for layer in net.layers
        if layer.parameters
    }


def held_in_message(message: Any, with_values: bool) -> Held:
    """The shapes of the blobs in a NetParameter, and marks of their values."""
    layers = [layer for layer in message.layer if len(layer.blobs)]
    shapes = {layer.name: tuple(map(_shape, layer.blobs)) for layer in layers}
    if not with_values:
        return Held(shapes)
    return Held(shapes, {layer.name: _mark(_bytes_of(blob) for blob in layer.blobs) for layer in layers})


def _bytes_of(blob: Any) -> bytes:
    """The numbers of a BlobProto as float32: what protobuf writes of them, but for the field's head."""
    if len(blob.double_data):
        return array("f", blob.double_data).tobytes()
    alone = type(blob)()
    alone.data.MergeFrom(blob.data)
    written = alone.SerializeToString()
    return written[len(written) - 4 * len(blob.data) :]


def held_in_hdf5(path: str, with_values: bool) -> Held:
    """The shapes of the arrays in a .caffemodel.h5 (/data/LAYER/INDEX), and marks of their values."""
    try:
        import h5py
    except ImportError:
        raise NetdefError(f"{path} needs h5py, which is not installed", hint="pip install h5py") from None
    try:
        with h5py.File(path, "r") as file:
            layers = {name: [group[key] for key in sorted(group, key=int)] for name, group in file["data"].items() if len(group)}
            shapes = {name: tuple(tuple(one.shape) for one in arrays) for name, arrays in layers.items()}
            if not with_values:
                return Held(shapes)
            return Held(shapes, {name: _mark(one[()].astype("f4").tobytes() for one in arrays) for name, arrays in layers.items()})
    except (OSError, KeyError, ValueError) as error:
        raise NetdefError(f"{path} is not a .caffemodel.h5: {error}") from None


def _mark(arrays: Iterable[bytes]) -> bytes:
    """The same for the same numbers as float32, and for no others."""
    found = sha256()
    for numbers in arrays:
        found.update(numbers)
    return found.digest()


def _shape(blob: Any) -> Shape:
    """Older files state four extents; leading ones say nothing there."""
    if blob.HasField("shape"):
        return tuple(blob.shape.dim)
    extents = [blob.num, blob.channels, blob.height, blob.width]
    while len(extents) > 1 and extents[0] == 1:
        extents.pop(0)
    return tuple(extents)


def difference(first: Held, second: Held, names: tuple[str, str]) -> WeightsDifference:
    """Which layers of `first` find weights of their shape in `second`; and where both have values, which are others."""
    result = WeightsDifference(*names)
    before, after = first.shapes, second.shapes
    for name, shapes in before.items():
        if name not in after:
            result.missing.append((name, _text(shapes)))
        elif list(map(_plain, shapes)) == list(map(_plain, after[name])):
            result.fitting.append(name)
        else:
            result.other_shape.append((name, _text(shapes), _text(after[name])))
    if first.values is not None and second.values is not None:
        result.other_values = [name for name in result.fitting if first.values[name] != second.values[name]]
    result.extra = [(name, _text(shapes)) for name, shapes in after.items() if name not in before]
    waiting = {text: name for name, text in reversed(result.extra)}
    result.renamed = [(name, waiting.pop(text)) for name, text in result.missing if text in waiting]
    return result


def _plain(shape: Shape) -> Shape:
    """A shape without leading ones: (1, 1, 1, 96) holds what (96,) holds."""
    while len(shape) > 1 and shape[0] == 1:
        shape = shape[1:]
    return shape


def _text(shapes: tuple[Shape, ...]) -> str:
    return " + ".join(map(shape_text, shapes))


def describe(difference: WeightsDifference) -> dict[str, Any]:
    """A WeightsDifference as plain data."""
    return {
        "before": difference.before,
        "after": difference.after,
        "same": not difference,
        "fitting": difference.fitting,
        "other_shape": [{"layer": name, "before": a, "after": b} for name, a, b in difference.other_shape],
        "other_values": difference.other_values,
        "only_before": [{"layer": name, "shapes": shapes} for name, shapes in difference.missing],
        "only_after": [{"layer": name, "shapes": shapes} for name, shapes in difference.extra],
        "perhaps_renamed": [{"before": a, "after": b} for a, b in difference.renamed],
    }
