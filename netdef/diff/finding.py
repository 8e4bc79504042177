"""What a finding holds: the layers it is about, settings with both values, and what follows for shapes and costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from netdef.diff.align import Match
from netdef.diff.compare import COSTS, COUNTS, weights_text
from netdef.graph.layer import Layer
from netdef.graph.shape import shape_text

MANY, MANY_FOLLOW = 20, 10  # layers that are named one by one, and those for which consequences are


@dataclass(frozen=True)
class Row:
    """One setting with both values, and the layers in which it changes so."""

    who: tuple[str, ...]
    what: str
    before: str
    after: str
    values: tuple[Any, Any] = (None, None)


@dataclass(frozen=True)
class Facts:
    """What follows for one layer: kind of fact -> (before, after), either None where the layer is not there.

    `type`: of the layer, where many are summed by it.
    """

    who: str
    cells: dict[str, tuple[str | None, str | None]]
    values: dict[str, tuple[Any, Any]]
    type: str = ""


@dataclass
class Finding:
    """One thing that changed. `costs`: how much more of COSTS it takes in all."""

    kind: str
    title: str
    layers: tuple[str, ...] = ()
    lines: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    facts: list[Facts] = field(default_factory=list)

    @property
    def costs(self) -> dict[str, int]:
        totals: dict[str, int] = {}
        for facts in self.facts:
            for kind in COSTS.keys() & facts.values.keys():
                before, after = facts.values[kind]
                totals[kind] = totals.get(kind, 0) + (after or 0) - (before or 0)
        return {kind: totals[kind] for kind in COSTS if totals.get(kind)}


def label(match: Match) -> str:
    """What a matched layer is called: the second net's name for it; both where towers become one."""
    if match.before and match.after and len(match.before) != len(match.after):
        return " -> ".join(" + ".join(layer.name for layer in side) for side in (match.before, match.after))
    return match.first.name


def listed(names: Sequence[str]) -> str:
    """conv1, conv2 and conv3."""
    return " and ".join(text for text in (", ".join(names[:-1]), names[-1]) if text) if names else ""


def summed(finding: Finding) -> list[Facts]:
    """The facts of a finding; of many layers that only one net has, or for which they follow from changes, the costs by type."""
    facts = finding.facts
    if len(facts) <= (MANY if finding.kind in ("inserted", "removed") else MANY_FOLLOW) or not all(one.type for one in facts):
        return facts
    found = []
    for kind in dict.fromkeys(one.type for one in facts):
        members = [one for one in facts if one.type == kind]
        values: dict[str, tuple[Any, Any]] = {}
        for cost in COSTS:
            sides = zip(*(one.values[cost] for one in members if cost in one.values), strict=True)
            before, after = [sum(filter(None, side)) or None for side in sides] or (None, None)
            if before or after:
                values[cost] = before, after
        cells = {cost: (_cell(cost, before), _cell(cost, after)) for cost, (before, after) in values.items()}
        if cells:
            found.append(Facts(f"{len(members)} {kind}", cells, values))
    return found


def _cell(cost: str, number: int | None) -> str | None:
    return COSTS[cost](number) if number else None


def lone_facts(layer: Layer, side: int) -> Facts:
    """The facts of a layer that only one net has."""

    def cell(value: Any) -> tuple[Any, Any]:
        return (None, value) if side else (value, None)

    cells, values = {}, {}
    if layer.tops and layer.tops[0].shape:
        shape = layer.tops[0].shape[1:]
        text = "?" if not layer.tops[0].is_sized else shape_text(shape) if shape else "1"
        cells["output"] = cell(text)
        values["output"] = cell([list(top.shape) if top.is_sized else None for top in layer.tops])
    if layer.parameters:
        cells["weights"] = cell(weights_text((layer,)))
        values["weights"] = cell([list(p.shape) for p in layer.parameters])
    for kind, count in COUNTS.items():
        if number := count(layer):
            cells[kind], values[kind] = cell(COSTS[kind](number)), cell(number)
    return Facts(written(layer), cells, values, layer.type)


def written(layer: Layer) -> str:
    """A layer's name and type, and what it reads."""
    bottoms = ", ".join(layer.message.bottom)
    return f"{layer.name}: {layer.type}({bottoms})" if bottoms else f"{layer.name}: {layer.type}"
