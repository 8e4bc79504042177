"""A net beside a file of weights, or two such files: which layers find weights of their shape, by name as loading does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from netdef.graph import Net, Shape, shape_text
from netdef.language.diagnostics import NetdefError

Shapes = dict[str, tuple[Shape, ...]]  # by the layer's name, one for each parameter


@dataclass
class WeightsDifference:
    """Layers whose weights do not fit; false if all do."""

    before: str
    after: str
    fitting: list[str] = field(default_factory=list)
    other_shape: list[tuple[str, str, str]] = field(default_factory=list)  # layer, before, after
    missing: list[tuple[str, str]] = field(default_factory=list)  # layer of `before` alone, its shapes
    extra: list[tuple[str, str]] = field(default_factory=list)  # layer of `after` alone, its shapes
    renamed: list[tuple[str, str]] = field(default_factory=list)  # a missing and an extra layer, likely one and the same

    def __bool__(self) -> bool:
        return bool(self.other_shape or self.missing or self.extra)


def shapes_of_nets(nets: Mapping[str, Net]) -> Shapes:
    """The shapes of all parameters of a net, in whatever phase."""
    return {
        layer.name: tuple(parameter.shape for parameter in layer.parameters)
        for net in nets.values()
        for layer in net.layers
        if layer.parameters
    }


def shapes_of_message(message: Any) -> Shapes:
    """The shapes of the blobs in a NetParameter."""
    return {layer.name: tuple(map(_shape, layer.blobs)) for layer in message.layer if len(layer.blobs)}


def shapes_of_hdf5(path: str) -> Shapes:
    """The shapes of the arrays in a .caffemodel.h5: /data/LAYER/INDEX."""
    try:
        import h5py
    except ImportError:
        raise NetdefError(f"{path} needs h5py, which is not installed", hint="pip install h5py") from None
    try:
        with h5py.File(path, "r") as file:
            layers = file["data"]
            return {
                name: tuple(tuple(layers[name][key].shape) for key in sorted(layers[name], key=int))
                for name in layers
                if len(layers[name])
            }
    except (OSError, KeyError, ValueError) as error:
        raise NetdefError(f"{path} is not a .caffemodel.h5: {error}") from None


def _shape(blob: Any) -> Shape:
    """Older files state four extents; leading ones say nothing there."""
    if blob.HasField("shape"):
        return tuple(blob.shape.dim)
    extents = [blob.num, blob.channels, blob.height, blob.width]
    while len(extents) > 1 and extents[0] == 1:
        extents.pop(0)
    return tuple(extents)


def difference(before: Shapes, after: Shapes, names: tuple[str, str]) -> WeightsDifference:
    """Which layers of `before` find weights of their shape in `after`."""
    result = WeightsDifference(*names)
    for name, shapes in before.items():
        if name not in after:
            result.missing.append((name, _text(shapes)))
        elif list(map(_plain, shapes)) == list(map(_plain, after[name])):
            result.fitting.append(name)
        else:
            result.other_shape.append((name, _text(shapes), _text(after[name])))
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


def render(difference: WeightsDifference) -> str:
    """A WeightsDifference for people."""
    before, after = difference.before, difference.after
    total = len(difference.fitting) + len(difference.other_shape) + len(difference.missing)
    lines = [f"{before} -> {after}: weights of {len(difference.fitting)} of {total} layers fit"]
    for title, rows in (
        ("Other shapes", difference.other_shape),
        (f"Only in {before}", difference.missing),
        (f"Only in {after}", difference.extra),
    ):
        if rows:
            width = max(len(row[0]) for row in rows)
            lines += ["", title, *(f"  {row[0].ljust(width)}  {' -> '.join(row[1:])}" for row in rows)]
    if difference.renamed:
        pairs = ", ".join(f"{a} and {b}" for a, b in difference.renamed)
        lines += ["", f"Alike in shape, perhaps renamed: {pairs}"]
    return "\n".join(lines)


def describe(difference: WeightsDifference) -> dict[str, Any]:
    """A WeightsDifference as plain data."""
    return {
        "before": difference.before,
        "after": difference.after,
        "same": not difference,
        "fitting": difference.fitting,
        "other_shape": [{"layer": name, "before": a, "after": b} for name, a, b in difference.other_shape],
        "only_before": [{"layer": name, "shapes": shapes} for name, shapes in difference.missing],
        "only_after": [{"layer": name, "shapes": shapes} for name, shapes in difference.extra],
        "perhaps_renamed": [{"before": a, "after": b} for a, b in difference.renamed],
    }
