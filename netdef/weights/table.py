"""The arrays in a file of weights as a table or as data, for files without a net."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

from netdef.graph.shape import shape_text
from netdef.language.units import binary, plural, thousands

if TYPE_CHECKING:
    from netdef.weights.reading import Weights

HEADER = ("layer", "weights + biases", "parameters")


def describe(weights: Weights, file: str) -> dict[str, Any]:
    """Weights as plain data; an array that the file leaves out has no shape."""
    layers = []
    for name, arrays in weights.items():
        held = [{"shape": list(array.shape), "count": array.size} if array is not None else {"shape": None} for array in arrays]
        layers.append({"name": name, "weights": held, "parameters": sum(array.size for array in arrays if array is not None)})
    return {"file": file, "layers": layers, "totals": {"parameters": sum(layer["parameters"] for layer in layers)}}


def render(weights: Weights, file: str, form: str = "text") -> str:
    """Weights in one of the formats of `netdef shapes`: text, json, yaml or csv."""
    facts = describe(weights, file)
    if form == "json":
        return json.dumps(facts, indent=1)
    if form == "yaml":
        import yaml

        return yaml.safe_dump(facts, sort_keys=False, default_flow_style=None).rstrip()
    rows = [(layer["name"], _shapes(layer), layer["parameters"]) for layer in facts["layers"]]
    if form == "csv":
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows([("layer", "weights", "parameters"), *rows])
        return out.getvalue().rstrip()
    return _table(rows, facts["totals"]["parameters"], file)


def _shapes(layer: dict[str, Any]) -> str:
    """A layer's shapes in words."""
    texts = ["elsewhere" if one["shape"] is None else shape_text(tuple(one["shape"])) for one in layer["weights"]]
    return " + ".join(texts)


def _table(rows: list[tuple[str, str, int]], parameters: int, file: str) -> str:
    """The table that `netdef shapes` prints."""
    cells = [HEADER, *((name, shapes, thousands(count)) for name, shapes, count in rows), ("total", "", thousands(parameters))]
    widths = [max(len(row[column]) for row in cells) for column in range(len(HEADER))]
    lines = [f"{name:{widths[0]}}  {shapes:{widths[1]}}  {count:>{widths[2]}}".rstrip() for name, shapes, count in cells]
    rule = "-" * (sum(widths) + 4)
    head = f"{file}: weights of {plural(len(rows), 'layer')}, without their net"
    size = f"parameters: {binary(4 * parameters)} as float32; without the net, running statistics are counted as well"
    return "\n".join([head, "", lines[0], rule, *lines[1:-1], rule, lines[-1], "", size])
