"""The arrays in a file of weights as a table or as data, for files without a net, or with one whose sizes are not known."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from netdef.graph.layer import LAYERS
from netdef.graph.net import counts_text
from netdef.graph.shape import shape_text
from netdef.language.units import binary, plural, thousands

if TYPE_CHECKING:
    from netdef.weights.reading import Weights

HEADER = ("layer", "weights + biases", "parameters")
COUNTS = ("parameters", "statistics")
Types = Mapping[str, str]  # of layers, by name


def describe(weights: Weights, file: str, types: Types | None = None) -> dict[str, Any]:
    """Weights as plain data; an array that the file leaves out has no shape.

    Parameters
    ----------
    types: with them running statistics are counted apart; None: they are not known, and all arrays count as parameters.
    """
    layers: list[dict[str, Any]] = []
    for name, arrays in weights.items():
        held = [{"shape": list(array.shape), "count": array.size} if array is not None else {"shape": None} for array in arrays]
        sizes = [array.size if array is not None else 0 for array in arrays]
        family = LAYERS.get(types.get(name, "")) if types else None
        learned = [size for index, size in enumerate(sizes) if not family or index not in family.frozen_parameters]
        counts = {"parameters": sum(learned)}
        if types is not None:
            counts["statistics"] = sum(sizes[index] for index in family.statistics if index < len(sizes)) if family else 0
        layers.append({"name": name, "weights": held, **counts})
    known = COUNTS if types is not None else COUNTS[:1]
    return {"file": file, "layers": layers, "totals": {count: sum(layer[count] for layer in layers) for count in known}}


def render(weights: Weights, file: str, form: str = "text", types: Types | None = None) -> str:
    """Weights in one of the formats of `netdef shapes`: text, json, yaml or csv.  types: see `describe`."""
    facts = describe(weights, file, types)
    if form == "json":
        return json.dumps(facts, indent=1)
    if form == "yaml":
        import yaml

        return yaml.safe_dump(facts, sort_keys=False, default_flow_style=None).rstrip()
    if form == "csv":
        out = io.StringIO()
        rows = [(layer["name"], _shapes(layer), *(layer[count] for count in facts["totals"])) for layer in facts["layers"]]
        csv.writer(out, lineterminator="\n").writerows([("layer", "weights", *facts["totals"]), *rows])
        return out.getvalue().rstrip()
    return _table(facts)


def _shapes(layer: dict[str, Any]) -> str:
    """A layer's shapes in words."""
    texts = ["elsewhere" if one["shape"] is None else shape_text(tuple(one["shape"])) for one in layer["weights"]]
    return " + ".join(texts)


def _count(layer: dict[str, Any]) -> str:
    """A layer's parameters, or what it has instead of them."""
    return f"+ {thousands(layer['statistics'])}" if layer.get("statistics") else thousands(layer["parameters"])


def _table(facts: dict[str, Any]) -> str:
    """The table that `netdef shapes` prints."""
    layers, totals = facts["layers"], facts["totals"]
    rows = [(layer["name"], _shapes(layer), _count(layer)) for layer in layers]
    cells = [HEADER, *rows, ("total", "", thousands(totals["parameters"]))]
    widths = [max(len(row[column]) for row in cells) for column in range(len(HEADER))]
    lines = [f"{name:{widths[0]}}  {shapes:{widths[1]}}  {count:>{widths[2]}}".rstrip() for name, shapes, count in cells]
    rule = "-" * (sum(widths) + 4)
    known = "statistics" in totals
    head = f"{facts['file']}: weights of {plural(len(rows), 'layer')}, without {'the shapes of blobs' if known else 'their net'}"
    size = f"{binary(4 * sum(totals.values()))} as float32"
    if known:
        size = f"parameters: {counts_text(totals['parameters'], totals['statistics'])}, {size}"
    else:
        size = f"parameters: {size}; without the net, running statistics are counted as well"
    return "\n".join([head, "", lines[0], rule, *lines[1:-1], rule, lines[-1], "", size])
