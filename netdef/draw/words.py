"""What a picture says of a layer: on its box, and when the mouse is over it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from netdef.draw.stages import Drawing, Stage
from netdef.graph.layer import Layer
from netdef.graph.net import Net
from netdef.graph.shape import UNKNOWN
from netdef.language.printer import print_message
from netdef.language.units import binary, decimal, plural, thousands
from netdef.shapes import describe, output_text


def headline(net: Net) -> tuple[str, str]:
    """A net's name, and its totals in a line."""
    totals = net.totals
    facts = (
        plural(len(net.layers), "layer"),
        totals.counts,
        f"{decimal(totals.macs)} multiply-accumulates an image",
        f"{binary(totals.activation_bytes)} of activations a batch",
        f"{net.phase} phase",
    )
    return net.name or Path(net.filename).name, "   ·   ".join(facts)


def doing(stage: Stage) -> str:
    """A stage's type, and what distinguishes it from others of the type: "Convolution 11 × 11, stride 4"."""
    return " ".join(filter(None, (stage.layer.type, ", ".join(filter(None, (*window(stage.layer), stage.note))))))


def rates(stage: Stage) -> str:
    """What the learning rate of each of its layer's parameters is multiplied by: "lr_mult 1, 2"; nothing without parameters."""
    factors = ", ".join(f"{parameter.lr_mult:g}" for parameter in stage.layer.parameters)
    return f"lr_mult {factors}" if factors else ""


def window(layer: Layer) -> tuple[str, str]:
    """What a layer looks at, and how its window moves and whose weights it shares: ("11 × 11", "stride 4, weights of conv1")."""
    looks, moves = layer.window_text
    owners = dict.fromkeys(parameter.owner.layer.name for parameter in layer.parameters if parameter.shared)
    shared = f"weights of {', '.join(owners)}" if owners else ""
    return looks.replace(" x ", " × "), ", ".join(filter(None, (moves.replace(" x ", "×"), shared)))


def followers(stage: Stage) -> str:
    """The types that work in place on a stage's result: "ReLU, Dropout", "BN, Scale, ReLU"."""
    return ", ".join(layer.abbreviation or layer.type for layer in stage.in_place)


def output(stage: Stage) -> str:
    """What it makes of one image, towers first: "2 × 48 × 55 × 55"."""
    text = output_text((0, *stage.shape), stage.towers, 0) if stage.towers > 1 else stage.output
    return text.replace(" x ", " × ")


def costs(stage: Stage) -> str:
    """Parameters and multiply-accumulates: "34.9 k  ·  105.4 M"; nothing for neither."""
    parameters = decimal(stage.parameters) if stage.parameters else "–"
    return f"{parameters}  ·  {decimal(stage.macs)}" if stage.parameters or stage.macs else ""


def share(drawing: Drawing, device: int) -> tuple[str, str]:
    """What one of several devices holds and does, and what the others send it."""
    mine = [stage for stage in drawing.stages if stage.device == device]
    work = sum(_work(stage, drawing) for stage in mine) / (sum(_work(stage, drawing) for stage in drawing.stages) or 1)
    received = sum(wire.sent for wire in drawing.wires if wire.target.device == device)
    sums = f"{decimal(sum(stage.parameters for stage in mine))} parameters  ·  {work:.0%} of the work"
    return sums, f"receives {binary(received)} a batch, forward"


def _work(stage: Stage, drawing: Drawing) -> int:
    """Multiply-accumulates of a batch."""
    return stage.macs * (stage.images or drawing.whole.batch or 1)


def facts(net: Net, stages: list[Stage]) -> list[list[dict[str, Any]]]:
    """For each stage, for each of its layers: everything `netdef shapes` knows, and where the layer stands."""
    described = dict(zip(net.layers, describe(net)["layers"], strict=True))
    found = [[_facts(layer, described[layer]) for layer in stage.layers] for stage in stages]
    for stage, sections in zip(stages, found, strict=True):
        for section, *others in zip(sections, *(one.layers for one in stage.same), strict=True):
            if others:
                section["rows"].append(("stands for", ", ".join(f"{layer.name}: {layer.type}" for layer in others)))
    return found


def plain(sections: list[dict[str, Any]]) -> str:
    """The facts of a stage as lines of text."""
    lines = []
    for section in sections:
        lines.append(f"{section['name']}: {section['type']}")
        lines += [f"  {key}: {value}" for key, value in section["rows"]]
    return "\n".join(lines)


def _facts(layer: Layer, entry: dict[str, Any]) -> dict[str, Any]:
    rows: list[tuple[str, str]] = []
    if layer.bottoms:
        rows.append(("reads", ", ".join(f"{blob.name} ({_shape(blob.shape)})" for blob in layer.bottoms)))
    for top in entry["tops"]:
        what = "in place on" if entry["in_place"] else "makes"
        size = "" if entry["in_place"] or top["bytes"] is None else f", {binary(top['bytes'])}"
        rows.append((what, f"{top['name']}: {_shape(top['shape'])}{size}"))
        if top["groups"] > 1:
            rows.append(("towers", top["output"].replace(" x ", " × ")))
    for index, weights in enumerate(entry["weights"]):
        shared = f", shared with {weights['shared_with']}" if weights["shared_with"] else ""
        rows.append((called(layer, index), f"{_shape(weights['shape'])}{shared}"))
    if entry["weights"]:
        kind = "statistics" if entry["statistics"] else "parameters"
        rows.append((kind, thousands(entry[kind])))
    if entry["macs_per_image"]:
        rows.append(("MACs an image", thousands(entry["macs_per_image"])))
    if layer.p is not None and layer.p.ByteSize():
        rows.append(("settings", " ".join(line.strip() for line in print_message(layer.p).splitlines())))
    if layer.position is not None:
        rows.append(("written in", f"{Path(layer.position.file).name}:{layer.position.line}"))
    return {"name": layer.name, "type": layer.type, "rows": rows}


def called(layer: Layer, index: int) -> str:
    """What one of a layer's arrays is called: weights, biases or statistics."""
    if layer.parameters[index].lr_mult == 0 and layer.statistic_count:
        return "statistics"
    return "biases" if index and index == len(layer.parameters) - 1 and getattr(layer.p, "bias_term", False) else "weights"


def _shape(shape: Any) -> str:
    if shape is None or shape == UNKNOWN:
        return "?"
    return " × ".join(map(str, shape)) or "scalar"
