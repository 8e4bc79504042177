"""What a layer is set to, as plain values: spelled-out defaults left out, windows as sizes however they are written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from netdef.graph.layer import Layer
from netdef.graph.shape import shape_text
from netdef.language.kept import KEPT, value_text
from netdef.language.printer import print_float
from netdef.layers.data import Samples
from netdef.layers.lrn import LRN
from netdef.schema import is_repeated
from netdef.schema.filler_types import FIRST_VALUES, first_value, reads
from netdef.schema.fork_numbers import numbered

# Names and wiring are compared by what they mean; rules of phases have been resolved; weights are not the graph's.
UNCOMPARED = {KEPT, "name", "type", "bottom", "top", "phase", "blobs", "include", "exclude", "loss_weight"}
WITHOUT_EFFECT = {"engine", "force_nd_im2col"}  # which code of Caffe's computes a layer
WINDOW = ("kernel", "stride", "pad", "dilation")
WINDOW_FIELDS = {f"{what}{ending}" for what in WINDOW for ending in ("", "_h", "_w", "_size")}


class Words(str):
    """A value as the file has it: of a field that nobody here knows."""


@dataclass(frozen=True, slots=True)
class Change:
    """A setting, shape or cost with both its values: as plain data, and as text.

    `kind` is what it is about: setting, initialiser, rate, constant (of a normalisation), data, wiring, place, name, type, towers;
    or a fact that follows from others: output, weights, parameters, macs, activations.
    """

    what: str
    before: str
    after: str
    kind: str = "setting"
    values: tuple[Any, Any] = (None, None)


def changed(what: str, texts: Iterable[str], kind: str = "setting", values: Iterable[Any] = (None, None)) -> Change:
    """A Change of two texts and two values."""
    before, after = texts
    old, new = values
    return Change(what, before, after, kind, (old, new))


def settings(layer: Layer) -> dict[str, tuple[Any, Any]]:
    """The settings that have an effect and differ from the schema's defaults: path -> (value, its field's descriptor).

    Those of the type's own message stand under their bare names. A window's sizes stand under kernel, stride, pad and
    dilation, with None for a descriptor.
    """
    found: dict[str, tuple[Any, Any]] = {}
    windowed = layer.p is not None and hasattr(layer, "kernel")
    for field, value in layer.message.ListFields():
        own = field.name in layer.param_fields
        if field.name == KEPT:
            found.update(_kept(value))
        if field.name in UNCOMPARED or not (own or _is_read(layer, field)):
            continue
        for path, item in _flat(field, value, "" if own else field.name):
            if not (own and ((windowed and path in WINDOW_FIELDS) or path in WITHOUT_EFFECT)):
                found[path] = item
    if windowed:
        for what in WINDOW:
            sizes = getattr(layer, what, None)
            if sizes:
                found[what] = (sizes[0] if len(set(sizes)) == 1 else tuple(sizes)), None
    return found


def _kept(fields: Iterable[Any]) -> dict[str, tuple[Any, Any]]:
    """Fields that nobody here knows, by their paths; of one that is given several times, all values."""
    found: dict[str, list[str]] = {}
    for one in fields:
        named = [(one.name, value_text(one))] if one.text else numbered(one.wire)
        for name, text in named:
            found.setdefault(f"{one.at}.{name}" if one.at else name, []).append(text)
    return {path: (Words(", ".join(texts)), None) for path, texts in found.items()}


def _is_read(layer: Layer, field: Any) -> bool:
    """Whether a layer reads a field that is not in a message of its type's own: no settings of other types."""
    if field.name == "transform_param":
        return isinstance(layer, Samples)
    return field.message_type is None or not field.name.endswith("_param")


def _flat(field: Any, value: Any, path: str) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """The leaves of one field, each with its path: weight_filler.std, param[0].lr_mult."""
    if field.message_type is None:
        repeated = not isinstance(value, (str, bytes)) and hasattr(value, "append")
        plain = tuple(value) if repeated else value
        if repeated or plain != field.default_value or _says_by_being_there(field):
            yield path, (plain, field)
        return
    single = hasattr(value, "DESCRIPTOR")
    for index, item in enumerate([value] if single else value):
        prefix = path if single else f"{path}[{index}]"
        first = FIRST_VALUES.get(f"{field.containing_type.name}.{field.name}") if getattr(item, "type", "") == "constant" else None
        if first is not None and item.value != first:
            yield f"{prefix}.value", (item.value, item.DESCRIPTOR.fields_by_name["value"])
        for inner, leaf in item.ListFields():
            if (first is None or inner.name != "value") and not (_is_filler(item) and not reads(item, inner.name)):
                yield from _flat(inner, leaf, f"{prefix}.{inner.name}" if prefix else inner.name)


def _is_filler(message: Any) -> bool:
    return bool(message.DESCRIPTOR.name == "FillerParameter")


def _says_by_being_there(field: Any) -> bool:
    """Whether a field that is left out means something that no value of it does, as BatchNorm's use_global_stats."""
    return not field.has_default_value and field.cpp_type not in (field.CPPTYPE_STRING, field.CPPTYPE_ENUM)


def compared(a: Layer, b: Layer) -> Iterator[Change]:
    """The settings in which two layers differ. Which fields hold them (p.kernel_size, p.kernel_h) makes no difference."""
    x, y = settings(a), settings(b)
    if a.loss_weights != b.loss_weights and len(a.tops) == len(b.tops) and a.type == b.type:
        weights = a.loss_weights, b.loss_weights
        yield changed("loss_weight", (", ".join(map(print_float, side)) for side in weights), values=map(list, weights))
    if x == y:
        return
    for path in sorted({**x, **y}, key=_rank):
        before, after = x.get(path), y.get(path)
        if before is None or after is None or before[0] != after[0]:
            if path in WINDOW and (before is None or after is None):
                continue  # of a layer that has no window: its type or axis differs
            if _is_unread_zero(path, x, y) or (after is None and _is_of_other_filler(path, x, y)):
                continue
            field = (before or after)[1]  # type: ignore[index]
            # A layer of another type does not have the default of a field that it lacks.
            fields = [field if a.type == b.type or _has(layer, path, field) else None for layer in (a, b)]
            defaults = [_default(layer, path, one) for layer, one in zip((a, b), fields, strict=True)]
            pair = list(zip((before, after), fields, defaults, strict=True))
            yield changed(path, (_shown(*one) for one in pair), _kind(path, b), (_value(*one) for one in pair))


def _is_of_other_filler(path: str, x: Mapping[str, tuple[Any, Any]], y: Mapping[str, tuple[Any, Any]]) -> bool:
    """Whether it is a field of a filler whose type is another in the other layer, so that nothing is to be said of what it was."""
    head, _, rest = path.rpartition(".")
    kinds = [side.get(f"{head}.type", (None,))[0] for side in (x, y)]
    return "filler" in head and rest != "type" and kinds[0] != kinds[1]


def _is_unread_zero(path: str, x: Mapping[str, tuple[Any, Any]], y: Mapping[str, tuple[Any, Any]]) -> bool:
    """Whether it is the value 0 of a filler that is a constant in one of the layers only."""
    head, _, rest = path.partition(".")
    kinds = (side.get(f"{head}.type", (None,))[0] for side in (x, y))
    return rest == "value" and len(set(kinds)) == 2 and [side[path][0] for side in (x, y) if path in side] == [0]


def _has(layer: Layer, path: str, field: Any) -> bool:
    """Whether a setting can be made in a layer of that type: its own fields stand bare, those of all layers do not."""
    known = layer.message.DESCRIPTOR.fields_by_name
    head = path.split(".")[0].split("[")[0]
    own = {one.name for name in layer.param_fields for one in known[name].message_type.fields}
    return field is not None and (head in own or head in known)


def _rank(path: str) -> tuple[int, ...]:
    """Windows first, in their usual order; rates and initialisers last; other settings in the order of the file."""
    if path in WINDOW:
        return (0, WINDOW.index(path))
    return (3 if "filler" in path else 2 if path.startswith("param[") else 1,)


def _kind(path: str, layer: Layer) -> str:
    if "filler" in path and not layer.is_source:
        return "initialiser"
    if path.startswith("param["):
        return "rate"
    if layer.is_source or path.startswith("transform_param"):
        return "data"
    return "constant" if isinstance(layer, LRN) else "setting"


def _default(layer: Layer, path: str, field: Any) -> Any:
    """The value of a setting that a layer leaves out; None where there is none."""
    if field is None or is_repeated(field) or not field.has_default_value:
        return None
    head, _, rest = path.partition(".")
    if rest == "value" and layer.p is not None and head in layer.p.DESCRIPTOR.fields_by_name:
        return first_value(layer.p.DESCRIPTOR.name, head)
    return field.default_value


def _shown(item: tuple[Any, Any] | None, field: Any, default: Any) -> str:
    if item is not None:
        return text_of(item[0], field)
    return "none" if default is None else f"{text_of(default, field)} (default)"


def _value(item: tuple[Any, Any] | None, field: Any, default: Any) -> Any:
    """A value as plain data, for JSON: an enum by its name."""
    if item is not None:
        value = item[0]
    elif field is not None and is_repeated(field):
        value = []
    else:
        value = default
    if isinstance(value, (tuple, list)):
        return [_plain(one, field) for one in value]
    return _plain(value, field)


def _plain(value: Any, field: Any) -> Any:
    if field is not None and field.enum_type is not None:
        return text_of(value, field)
    if isinstance(value, float):
        return float(print_float(value))
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def text_of(value: Any, field: Any = None) -> str:
    """A value as people write it."""
    if isinstance(value, tuple):
        return shape_text(value) if field is None else ", ".join(text_of(one, field) for one in value) or "none"
    if field is not None and field.enum_type is not None:
        named = field.enum_type.values_by_number.get(value)
        return named.name if named else str(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return print_float(value)
    return f'"{value}"' if isinstance(value, str) and not isinstance(value, Words) else str(value)
