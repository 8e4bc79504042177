"""`netdef shapes`: the layers of a net with their shapes, weights and costs, as a table or as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netdef.graph.layer import LAYERS
from netdef.graph.net import counts_text
from netdef.graph.shape import UNKNOWN, shape_text
from netdef.graph.towers import towers
from netdef.graph.unsized import Unknown, weights_unknown
from netdef.language.gc_pause import gc_paused
from netdef.language.units import binary, decimal, plural, thousands

if TYPE_CHECKING:
    from netdef.graph.layer import Blob, Layer
    from netdef.graph.net import Net
    from netdef.graph.shape import Shape

FORMATS = ("text", "json", "yaml", "csv")
WIDTH = 120  # columns of the table; long names are shortened to fit
HEADER = ("layer", "type", "output", "weights + biases", "parameters", "MACs/image", "activations")
GEMM_KINDS = ("convolution", "connected")  # of layers whose work is matrix products
TOTALLED = ("parameters", "macs_per_image", "activation_bytes")
RIGHT = (4, 5, 6)  # columns of numbers


def describe(net: Net) -> dict[str, Any]:
    """The facts of a net as plain data, which all formats print."""
    groups = towers(net)
    batch = net.batch
    totals = net.totals
    return {
        "name": net.name,
        "file": net.filename,
        "phase": net.phase,
        "batch": batch,
        "layers": [_layer(layer, groups, batch) for layer in net.layers],
        "totals": {
            "parameters": totals.parameters,
            "statistics": totals.statistics,
            "parameter_bytes": 4 * totals.parameters,
            "macs_per_image": totals.macs,
            "activation_bytes": totals.activation_bytes,
        },
    }


def _layer(layer: Layer, groups: dict[Blob, int], batch: int | None) -> dict[str, Any]:
    return {
        "name": layer.name,
        "type": layer.type,
        "in_place": bool(layer.tops) and all(layer.in_place),
        "tops": [
            {
                "name": top.name,
                "shape": list(top.shape) if top.is_sized else None,
                "output": output_text(top.shape, groups[top], batch),
                "groups": groups[top],
                "bytes": top.bytes if top.is_sized else None,
            }
            for top in layer.tops
        ],
        "weights": [
            {"shape": list(p.shape), "count": p.count, "shared_with": str(p.owner) if p.shared else None} for p in layer.parameters
        ],
        "parameters": layer.parameter_count if not weights_unknown(layer) else None,
        "statistics": layer.statistic_count,
        "macs_per_image": layer.macs if layer.is_sized else None,
        "activation_bytes": layer.activation_bytes if layer.is_sized else None,
    }


def output_text(shape: Shape, groups: int, batch: int | None) -> str:
    """The shape of one image in a blob, towers first: 2 x 48 x 55 x 55; ? where it is not known."""
    if shape == UNKNOWN:
        return "?"
    if not shape:
        return "scalar"
    if shape[0] != batch:
        return f"{shape_text(shape)} in all"
    inner = shape[1:]
    if groups > 1:
        inner = (groups, inner[0] // groups, *inner[1:])
    return shape_text(inner) if inner else "1"


@gc_paused
def render(net: Net, form: str = "text") -> str:
    """The facts of a net in one of FORMATS."""
    facts = describe(net)
    if form == "json":
        import json

        return json.dumps(facts, indent=1)
    if form == "yaml":
        import yaml

        return yaml.safe_dump(facts, sort_keys=False, default_flow_style=None, width=WIDTH).rstrip()
    if form == "csv":
        return _csv(facts)
    return _table(facts)


def _csv(facts: dict[str, Any]) -> str:
    import csv
    import io

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    header = (
        "layer",
        "type",
        "top",
        "shape",
        "groups",
        "in_place",
        "weights",
        "parameters",
        "statistics",
        "macs_per_image",
        "top_bytes",
    )
    writer.writerow(header)
    for layer in facts["layers"]:
        weights = " ".join("x".join(map(str, w["shape"])) or "1" for w in layer["weights"])
        cost = (weights, _or_unknown(layer["parameters"]), layer["statistics"], _or_unknown(layer["macs_per_image"]))
        for top in layer["tops"] or [{"name": "", "shape": [], "groups": 1, "bytes": 0}]:
            shape = "x".join(map(str, top["shape"])) if top["shape"] is not None else "?"
            stored = 0 if layer["in_place"] else _or_unknown(top["bytes"])
            place = str(layer["in_place"]).lower()
            writer.writerow([layer["name"], layer["type"], top["name"], shape, top["groups"], place, *cost, stored])
            cost = ("", 0, 0, 0)  # counted with the first top
    return out.getvalue().rstrip()


def _table(facts: dict[str, Any]) -> str:
    rows = [row for layer in facts["layers"] for row in _rows(layer)]
    totals = facts["totals"]
    lacks = {what: any(layer[what] is None for layer in facts["layers"]) for what in TOTALLED}
    texts = thousands(totals["parameters"]), decimal(totals["macs_per_image"]), binary(totals["activation_bytes"])
    total = ("total", "", "", "", *(f"{text} + ?" if lacks[what] else text for text, what in zip(texts, TOTALLED, strict=True)))
    widths = [max(len(row[column]) for row in (HEADER, *rows, total)) for column in range(len(HEADER))]
    excess = sum(widths) + 2 * (len(widths) - 1) - WIDTH
    if excess > 0:
        widths[0] = max(16, widths[0] - excess)
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    gemm = sum(layer["macs_per_image"] or 0 for layer in facts["layers"] if _family(layer).kind in GEMM_KINDS)
    batch = f", batch {facts['batch']}" if facts["batch"] else ""
    lines = [f"{facts['name'] or 'unnamed'} ({facts['file']}), {facts['phase']} phase{batch}", ""]
    lines += [_line(HEADER, widths), rule, *(_line(row, widths) for row in rows), rule, _line(total, widths), ""]
    lines += [
        *_sizes(facts),
        f"MACs:        multiply-accumulates forward, {decimal(gemm)} of them in convolutions and inner products",
        "activations: of the whole batch as float32; output: of one image",
        *_kept(facts),
        *_unknown(lacks),
    ]
    return "\n".join(lines)


def _sizes(facts: dict[str, Any]) -> list[str]:
    """The lines below the table on what a file of weights holds."""
    totals = facts["totals"]
    if not totals["statistics"]:
        return [f"parameters:  {binary(totals['parameter_bytes'])} as float32"]
    size = binary(totals["parameter_bytes"] + 4 * totals["statistics"])
    divisors = sum(bool(layer["statistics"]) for layer in facts["layers"])
    return [
        f"parameters:  {counts_text(totals['parameters'], totals['statistics'])}, {size} as float32",
        "statistics:  running means and variances, which no solver changes; a file of weights holds "
        f"{plural(divisors, 'number')} more:",
        "             the divisor of both of each BatchNorm layer",
    ]


def _kept(facts: dict[str, Any]) -> list[str]:
    """The line on layers whose tops have fewer images in a run."""
    names = [layer["name"] for layer in facts["layers"] if _family(layer).keeps_some_images]
    return [f"images:      as many as go into {' and '.join(names)}; a run has those that come out"] if names else []


def _unknown(lacks: dict[str, bool]) -> list[str]:
    """The line on what is not known."""
    text = "?:           not known: of a type that nobody here knows, of data or code, or made of such a blob"
    return [text] if any(lacks.values()) else []


def _family(layer: dict[str, Any]) -> type[Layer]:
    return LAYERS.get(layer["type"], Unknown)


def _or_unknown(number: int | None) -> int | str:
    return "?" if number is None else number


def _rows(layer: dict[str, Any]) -> list[tuple[str, ...]]:
    """The rows of a layer: one for each top."""
    weights = " + ".join(shape_text(tuple(w["shape"])) if w["shape"] else "1" for w in layer["weights"])
    owners = {w["shared_with"].rpartition("/")[0] for w in layer["weights"] if w["shared_with"]}
    if owners:
        weights += f" (of {', '.join(sorted(owners))})"
    kept = f"+ {thousands(layer['statistics'])}" if layer["statistics"] else thousands(layer["parameters"] or 0)
    parameters = kept if layer["weights"] else ""
    if layer["parameters"] is None:
        weights = parameters = "?"
    macs = decimal(layer["macs_per_image"]) if layer["macs_per_image"] else "" if layer["macs_per_image"] == 0 else "?"
    tops = [(top["name"], top["output"], "in place" if layer["in_place"] else _size(top["bytes"])) for top in layer["tops"]]
    _, output, stored = tops[0] if tops else ("", "", "")
    first = (layer["name"], layer["type"], output, weights, parameters, macs, stored)
    return [first, *((f"  and {name}", "", output, "", "", "", stored) for name, output, stored in tops[1:])]


def _size(count: int | None) -> str:
    return "?" if count is None else binary(count)


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    cells = [_shortened(cell, width) for cell, width in zip(row, widths, strict=True)]
    aligned = [
        cell.rjust(width) if column in RIGHT else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(aligned).rstrip()


def _shortened(text: str, width: int) -> str:
    """A long name, its middle replaced by two dots."""
    if len(text) <= width:
        return text
    head = (width - 2) // 2
    return f"{text[:head]}..{text[head + 2 - width :]}"
