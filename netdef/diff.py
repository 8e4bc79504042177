"""`netdef diff`: what distinguishes two nets, layer by layer.

Layers are matched by name, then by place: what is left between two matched layers is paired by type, in order.
Values are compared, not spellings: a field that states its default equals one left out, and a bottom is the same if the
matched layer makes it, whatever its name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from netdef.graph import Net, shape_text
from netdef.layers.base import Layer
from netdef.shapes import batch_of, output_text
from netdef.towers import towers
from netdef.units import binary, decimal, thousands

UNCOMPARED = {"name", "type", "bottom", "top", "phase", "blobs", "include", "exclude"}  # compared otherwise, or resolved

REPEATED = ("loss_weight", "param", "propagate_down")
WINDOW = ("kernel", "stride", "pad", "dilation")  # compared as sizes, not as the fields that give them
WINDOW_FIELDS = {f"{what}{ending}" for what in WINDOW for ending in ("", "_h", "_w", "_size")}


@dataclass(frozen=True)
class Change:
    """A field, shape or cost with both its values."""

    what: str
    before: str
    after: str


@dataclass(frozen=True)
class LayerChange:
    """A layer that one net has (the other is None), or that both have with differences."""

    before: Layer | None
    after: Layer | None
    changes: tuple[Change, ...] = ()


@dataclass
class Difference:
    """All that distinguishes two nets; empty if nothing does."""

    before: Net
    after: Net
    net: list[Change] = field(default_factory=list)
    layers: list[LayerChange] = field(default_factory=list)
    totals: list[Change] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.net or self.layers)


def compare(before: Net, after: Net) -> Difference:
    """What changes from one net to the other."""
    result = Difference(before, after)
    if before.phase != after.phase:
        result.net.append(Change("phase", before.phase, after.phase))
    if before.force_backward != after.force_backward:
        result.net.append(Change("force_backward", _value(before.force_backward), _value(after.force_backward)))
    pairs = match(before, after)
    partner = {b.name: a.name for a, b in pairs if a and b}
    compared = _Comparison(before, after, partner)
    for a, b in pairs:
        changes = tuple(compared.changes(a, b)) if a and b else ()
        if changes or a is None or b is None:
            result.layers.append(LayerChange(a, b, changes))
    old, new = before.totals, after.totals
    if old.parameters != new.parameters:
        result.totals.append(Change("parameters", thousands(old.parameters), thousands(new.parameters)))
    if old.macs != new.macs:
        result.totals.append(Change("MACs/image", decimal(old.macs), decimal(new.macs)))
    if old.activation_bytes != new.activation_bytes:
        result.totals.append(Change("activations", binary(old.activation_bytes), binary(new.activation_bytes)))
    return result


def match(before: Net, after: Net) -> list[tuple[Layer | None, Layer | None]]:
    """Every layer of both nets once, with its counterpart or None, in an order that follows both."""
    names = {layer.name for layer in before.layers}
    common = {layer.name for layer in after.layers if layer.name in names}
    left = _gaps(before, common)
    right = _gaps(after, common)
    by_name = {layer.name: layer for layer in before.layers}
    pairs: list[tuple[Layer | None, Layer | None]] = list(_paired(left.get("", []), right.get("", [])))
    for layer in after.layers:
        if layer.name in common:
            pairs.append((by_name[layer.name], layer))
            pairs.extend(_paired(left.get(layer.name, []), right.get(layer.name, [])))
    return pairs


def _gaps(net: Net, common: set[str]) -> dict[str, list[Layer]]:
    """The layers without a namesake, under the matched layer that they follow."""
    gaps: dict[str, list[Layer]] = {}
    anchor = ""
    for layer in net.layers:
        if layer.name in common:
            anchor = layer.name
        else:
            gaps.setdefault(anchor, []).append(layer)
    return gaps


def _paired(left: list[Layer], right: list[Layer]) -> Iterator[tuple[Layer | None, Layer | None]]:
    """Layers of one gap: the n-th of a type with the n-th of that type on the other side."""
    waiting: dict[str, list[Layer]] = {}
    for layer in reversed(left):
        waiting.setdefault(layer.type, []).append(layer)
    partners = [(waiting[b.type].pop() if waiting.get(b.type) else None, b) for b in right]
    taken = {id(a) for a, _ in partners if a}
    yield from ((a, None) for a in left if id(a) not in taken)
    yield from partners


class _Comparison:
    """Two nets under comparison; `partner` maps names of the second to names of the first."""

    def __init__(self, before: Net, after: Net, partner: dict[str, str]):
        self.partner = partner
        self.batches = batch_of(before), batch_of(after)
        self.groups = towers(before), towers(after)

    def changes(self, a: Layer, b: Layer) -> Iterator[Change]:
        """What differs between two matched layers."""
        if a.name != b.name:
            yield Change("name", a.name, b.name)
        if a.type != b.type:
            yield Change("type", a.type, b.type)
        yield from self._bottoms(a, b)
        yield from _windows(a, b)
        yield from _fields(a, b)
        yield from self._facts(a, b)

    def _bottoms(self, a: Layer, b: Layer) -> Iterator[Change]:
        sources_a = [(x.producer.name, x.index) for x in a.bottoms]
        sources_b = [(self.partner.get(x.producer.name), x.index) for x in b.bottoms]
        if sources_a != sources_b:
            yield Change("bottom", _listed(a.message.bottom), _listed(b.message.bottom))
        if a.in_place != b.in_place and len(a.tops) == len(b.tops):
            yield Change("in place", _value(all(a.in_place)), _value(all(b.in_place)))
        if len(a.tops) != len(b.tops):
            yield Change("top", _listed(a.message.top), _listed(b.message.top))

    def _facts(self, a: Layer, b: Layer) -> Iterator[Change]:
        plain, drawn = (
            [
                " and ".join(output_text(top.shape, groups[top] if runs else 1, batch) for top in layer.tops)
                for layer, groups, batch in zip((a, b), self.groups, self.batches, strict=True)
            ]
            for runs in (False, True)
        )
        if plain[0] != plain[1]:
            yield Change("output", *drawn)
        weights = [" + ".join(shape_text(p.shape) for p in layer.parameters) or "none" for layer in (a, b)]
        if weights[0] != weights[1]:
            yield Change("weights", weights[0], weights[1])
        if a.parameter_count != b.parameter_count:
            yield Change("parameters", thousands(a.parameter_count), thousands(b.parameter_count))
        if a.macs != b.macs:
            yield Change("MACs/image", decimal(a.macs), decimal(b.macs))


def _windows(a: Layer, b: Layer) -> Iterator[Change]:
    """Kernels, strides, pads and dilations that differ, however they are written."""
    for what in WINDOW:
        x, y = (getattr(layer, what, None) for layer in (a, b))
        if x is not None and y is not None and x != y:
            yield Change(what, *(str(v[0]) if len(set(v)) == 1 else shape_text(v) for v in (x, y)))


def _fields(a: Layer, b: Layer) -> Iterator[Change]:
    """Fields whose values differ, those of the type's own parameter message by their bare names."""
    skipped = UNCOMPARED | (WINDOW_FIELDS if hasattr(a, "kernel") and hasattr(b, "kernel") else set())
    own = {name for layer in (a, b) for name in layer.param_fields}
    for name in a.message.DESCRIPTOR.fields_by_name:
        if name in skipped:
            continue
        if name in own:
            yield from (c for c in _compared(a.message, b.message, name, "") if c.what not in skipped)
        elif name in REPEATED or a.message.HasField(name) or b.message.HasField(name):
            yield from _compared(a.message, b.message, name, name)


def _compared(a: Any, b: Any, name: str, shown: str) -> Iterator[Change]:
    """One field of two messages; a message field inside out, each of its fields by its path."""
    x, y = getattr(a, name), getattr(b, name)
    if hasattr(x, "DESCRIPTOR"):
        for inner in x.DESCRIPTOR.fields_by_name:
            yield from _compared(x, y, inner, f"{shown}.{inner}" if shown else inner)
        return
    kind = a.DESCRIPTOR.fields_by_name[name]
    if kind.message_type is not None:  # repeated messages: item by item, missing ones as they are by default
        blank = type(a)()
        for index in range(max(len(x), len(y))):
            left, right = (items[index] if index < len(items) else None for items in (x, y))
            blank_item = getattr(blank, name).add()
            for inner in kind.message_type.fields_by_name:
                yield from _compared(left or blank_item, right or blank_item, inner, f"{shown}[{index}].{inner}")
        return
    if isinstance(x, (str, bytes, bool, int, float)):
        if x != y:
            yield Change(shown or name, _shown(a, name), _shown(b, name))
    elif list(x) != list(y):
        yield Change(shown or name, *(_listed(_enum(kind, item) for item in items) for items in (x, y)))


def _shown(message: Any, name: str) -> str:
    text = _enum(message.DESCRIPTOR.fields_by_name[name], getattr(message, name))
    return text if message.HasField(name) else f"{text} (default)"


def _enum(kind: Any, value: Any) -> str:
    if kind.enum_type is not None:
        return kind.enum_type.values_by_number[value].name
    return _value(value)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.7g}"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _listed(items: Any) -> str:
    return ", ".join(map(str, items)) or "none"


def render(difference: Difference) -> str:
    """A Difference for people."""
    before, after = difference.before, difference.after
    title = f"{before.filename} -> {after.filename}"
    if not difference:
        return f"{title}: no differences in phase {before.phase}"
    lines = [f"{title}, {before.phase} phase" if before.phase == after.phase else title]
    lines += ["", *_block(difference.net)] if difference.net else []
    for change in difference.layers:
        lines.append("")
        if change.after is None:
            lines.append(f"- {_titled(change.before)}")
        elif change.before is None:
            lines.append(f"+ {_titled(change.after)}")
        else:
            lines.append(f"  {change.before.name}: {change.before.type}")
            lines += _block(change.changes)
    lines += ["", "  totals", *_block(difference.totals)] if difference.totals else ["", "  totals: the same"]
    return "\n".join(lines)


def _titled(layer: Layer | None) -> str:
    assert layer is not None
    weights = f", {thousands(layer.parameter_count)} parameters" if layer.parameter_count else ""
    return f"{layer.name}: {layer.type}({', '.join(layer.message.bottom)}){weights}"


def _block(changes: Any) -> list[str]:
    width = max((len(change.what) for change in changes), default=0)
    return [f"    {change.what.ljust(width)}  {change.before} -> {change.after}" for change in changes]
