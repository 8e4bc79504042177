"""A net compared with a file of weights, or two such files: which layers find weights of their shape, by name as loading does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite
from typing import TYPE_CHECKING, Any

from netdef.diff.finding import Facts, Finding, Row

if TYPE_CHECKING:
    from netdef.graph.net import Net
    from netdef.graph.shape import Shape
    from netdef.weights import Weights
    from netdef.weights.norms import Norms

    Shapes = tuple[Shape | None, ...]  # of a layer's arrays; None for one that a file leaves out


MOST = 5  # layers that the line on the largest changes names


@dataclass
class WeightsDifference:
    """Layers whose weights do not fit, or of two files have other values; false if there are none."""

    before: str
    after: str
    fitting: list[str] = field(default_factory=list)
    other_shape: list[tuple[str, str, str]] = field(default_factory=list)  # layer, before, after
    other_values: list[str] = field(default_factory=list)  # of those that fit
    missing: list[tuple[str, str]] = field(default_factory=list)  # layer only in `before`, its shapes
    extra: list[tuple[str, str]] = field(default_factory=list)  # layer only in `after`, its shapes
    renamed: list[tuple[str, str]] = field(default_factory=list)  # a missing and an extra layer, likely one and the same
    norms: list[Norms] = field(default_factory=list)  # of the arrays of those that fit

    def __bool__(self) -> bool:
        return bool(self.other_shape or self.other_values or self.missing or self.extra)

    @property
    def subject(self) -> str:
        """The first line's text after the names."""
        total = len(self.fitting) + len(self.other_shape) + len(self.missing)
        return f"weights of {len(self.fitting)} of {total} layers fit"

    @property
    def _most(self) -> list[str]:
        """A line on the layers whose weights are changed most."""
        changed = [one for one in self.norms if one.index == 0 and one.change]
        changed.sort(key=lambda one: (one.finite, -one.change if one.change and isfinite(one.change) else -inf))
        texts = [f"{one.layer} {change_text(one)}" for one in changed[:MOST]]
        return [f"changed most, |b - a| / |a| of the weights: {', '.join(texts)}"] if texts else []

    def not_finite(self, side: str) -> list[str]:
        """The layers of one file, `before` or `after`, whose arrays hold NaN or infinity."""
        return [*dict.fromkeys(one.layer for one in self.norms if not isfinite(getattr(one, side) or 0))]

    @property
    def findings(self) -> list[Finding]:
        """The same as a diff of nets has it."""
        found = []
        if self.other_shape:
            rows = [Row((name,), "weights", a, b) for name, a, b in self.other_shape]
            found.append(Finding("changed", "Other shapes", rows=rows))
        if self.other_values:
            found.append(Finding("changed", "Other values, of one shape", lines=[", ".join(self.other_values), *self._most]))
        for file, which in ((self.before, "before"), (self.after, "after")):
            if layers := self.not_finite(which):
                found.append(Finding("changed", f"NaN or infinity in {file}", lines=[", ".join(layers)]))
        for kind, file, rows_of_one, side in (("removed", self.before, self.missing, 0), ("inserted", self.after, self.extra, 1)):
            facts = [Facts(name, {"weights": (None, text) if side else (text, None)}, {}) for name, text in rows_of_one]
            if facts:
                found.append(Finding(kind, f"Only in {file}", facts=facts))
        if self.renamed:
            pairs = ", ".join(f"{a} and {b}" for a, b in self.renamed)
            found.append(Finding("renamed", f"Alike in shape, perhaps renamed: {pairs}"))
        return found


def net_and_file(nets: Mapping[str, Net], weights: Weights, names: tuple[str, str], net_first: bool) -> WeightsDifference:
    """Which layers of a net, in any of its phases, find weights of their shape in a file.

    Parameters
    ----------
    nets: the net by phase. names: of the first and the second. net_first: whether the net is the first.
    """
    from netdef.weights.fit import fit_weights, shapes_of, shapes_text
    from netdef.weights.norms import norms

    layers = {layer.name: layer for net in nets.values() for layer in net.layers if layer.parameters}
    fit = fit_weights(layers.values(), weights)
    only_in_net = {name: tuple(one.shape for one in layers[name].parameters) for name in fit.missing}
    only_in_file = {name: shapes_of(arrays) for name, arrays in weights.items() if name not in layers}
    result = WeightsDifference(*names, fitting=list(fit.values))
    pairs = [(one.layer, shapes_text(one.in_net), shapes_text(one.in_file)) for one in fit.misshapen]
    for name, arrays in fit.values.items():
        result.norms += norms(name, *([], arrays) if net_first else (arrays, []))
    result.other_shape = pairs if net_first else [(name, in_file, in_net) for name, in_net, in_file in pairs]
    _set_unmatched(result, *((only_in_net, only_in_file) if net_first else (only_in_file, only_in_net)))
    return result


def two_files(before: Weights, after: Weights, names: tuple[str, str]) -> WeightsDifference:
    """Which layers of one file have weights of their shape in the other, and where those have other values."""
    from netdef.weights.fit import shapes_of, shapes_text
    from netdef.weights.norms import norms

    result = WeightsDifference(*names)
    for name, arrays in before.items():
        if name not in after:
            continue
        if not _same_shapes(arrays, after[name]):
            result.other_shape.append((name, shapes_text(shapes_of(arrays)), shapes_text(shapes_of(after[name]))))
            continue
        result.fitting.append(name)
        result.norms += norms(name, arrays, after[name])
        if not _same_values(arrays, after[name]):
            result.other_values.append(name)
    missing = {name: shapes_of(arrays) for name, arrays in before.items() if name not in after}
    _set_unmatched(result, missing, {name: shapes_of(arrays) for name, arrays in after.items() if name not in before})
    return result


def _same_shapes(before: Sequence[Any], after: Sequence[Any]) -> bool:
    """Whether two layers' arrays have the same shapes, as loading compares them; one that a file leaves out has any."""
    from netdef.weights.fit import same_shape

    pairs = [(a.shape, b.shape) for a, b in zip(before, after, strict=False) if a is not None and b is not None]
    return len(before) == len(after) and all(same_shape(a, b) or same_shape(b, a) for a, b in pairs)


def _same_values(before: Sequence[Any], after: Sequence[Any]) -> bool:
    """Whether arrays of the same shapes hold the same numbers."""
    pairs = [(a, b) for a, b in zip(before, after, strict=True) if a is not None and b is not None]
    return all(bool((a.ravel() == b.ravel()).all()) for a, b in pairs)


def _set_unmatched(result: WeightsDifference, missing: Mapping[str, Shapes], extra: Mapping[str, Shapes]) -> None:
    """Enter the layers that only one side has, and which of them are alike in shape."""
    from netdef.weights.fit import shapes_text

    result.missing = [(name, shapes_text(shapes)) for name, shapes in missing.items()]
    result.extra = [(name, shapes_text(shapes)) for name, shapes in extra.items()]
    by_shapes = {tuple(map(_plain, shapes)): name for name, shapes in reversed([*extra.items()])}
    for name, shapes in missing.items():
        if other := by_shapes.pop(tuple(map(_plain, shapes)), None):
            result.renamed.append((name, other))


def _plain(shape: Shape | None) -> Shape | None:
    """A shape without leading ones: an old file's (1, 1, 1, 96) holds what (96,) holds."""
    while shape and len(shape) > 1 and shape[0] == 1:
        shape = shape[1:]
    return shape


def change_text(one: Norms) -> str:
    """The relative change of an array: 3.2 %; that of one that was all zeros is infinite."""
    if one.change is None:
        return ""
    if not one.finite:
        return "not finite"
    return "from 0" if one.change == inf else f"{100 * one.change:.3g} %"


def _plain_number(value: float | None) -> float | None:
    """A number of JSON: None for what it has none for; `not_finite_before` and `not_finite_after` say which those are."""
    return value if value is not None and isfinite(value) else None


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
        "not_finite_before": difference.not_finite("before"),
        "not_finite_after": difference.not_finite("after"),
        "norms": [
            {
                "layer": one.layer,
                "index": one.index,
                "before": _plain_number(one.before),
                "after": _plain_number(one.after),
                "relative_change": _plain_number(one.change),
            }
            for one in difference.norms
        ],
        "perhaps_renamed": [{"before": a, "after": b} for a, b in difference.renamed],
    }
