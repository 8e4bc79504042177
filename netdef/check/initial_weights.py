"""Initial weights and fillers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from netdef.check.gradient_flow import behind, learns, losses
from netdef.check.registry import Findings, each_net, error, setting, warning
from netdef.graph.layer import Layer, Path
from netdef.graph.net import Net
from netdef.language.spelling import did_you_mean
from netdef.language.units import shortened
from netdef.schema import is_repeated
from netdef.schema.filler_types import FILLERS, SPARSE

SHOWN = 8  # layers named in a line
MANY = 5  # layers without a filler that are no oversight


@each_net
def constant_weights(net: Net) -> Findings:
    """Layers that learn from a loss and whose weights start at a constant."""
    if net.phase != "train" or starts_from_weights(net):
        return
    for layer, value in starting_constant(net):
        text = f"all weights of {layer.type} {layer.name} start at {value:g}"
        reason = 'its neurons never become different: add weight_filler { type: "xavier" }, say'
        yield warning("ND209", text, setting(layer, "weight_filler"), reason)


def starting_constant(net: Net) -> Iterator[tuple[Layer, float]]:
    """The layers that learn from a loss and whose weights all start at one value, with it."""
    trained = behind(losses(net), gradient=True)
    for layer in net.layers:
        if not _has_weight_filler(layer) or layer not in trained or not learns(layer):
            continue
        weights = layer.parameters[0]
        filler = weights.filler
        if weights.lr_mult and not weights.shared and (filler is None or filler.type == "constant"):
            yield layer, filler.value if filler is not None else 0


@each_net
def unknown_fillers(net: Net) -> Findings:
    """Unknown fillers, and fillers that cannot be sparse."""
    for layer in net.layers:
        for path, filler in _fillers(layer):
            where = layer.where(*path, "type") or layer.where(*path)
            if filler.type not in FILLERS:
                text = f"{layer.type} {layer.name}: unknown filler {filler.type!r}"
                yield error("ND111", text, where, did_you_mean(filler.type, FILLERS) or f"fillers: {', '.join(FILLERS)}")
            elif filler.sparse >= 0 and filler.type not in SPARSE:
                text = f"{layer.type} {layer.name}: the {filler.type} filler cannot be sparse"
                yield error("ND111", text, layer.where(*path, "sparse"), f"only {' and '.join(SPARSE)} can")


def starts_from_weights(net: Net) -> bool:
    """Whether a net is likely to start from a file of weights: it has many layers with weights, and none has a filler."""
    weighted = [layer for layer in net.layers if _has_weight_filler(layer)]
    return len(weighted) >= MANY and not any(layer.p.HasField("weight_filler") for layer in weighted)


def without_weights(net: Net) -> str:
    """What becomes of a net that is likely to start from a file of weights and is given none; "" for other nets."""
    names = [layer.name for layer, _ in starting_constant(net)] if starts_from_weights(net) else []
    if not names:
        return ""
    text = f"no layer has a weight_filler and no weights are given: all weights of {shortened(names, SHOWN)} start at 0"
    return f"{text}, and their neurons never become different"


def _has_weight_filler(layer: Layer) -> bool:
    """Whether a field of the layer gives the filler of its weights, the first parameter."""
    return layer.p is not None and "weight_filler" in layer.p.DESCRIPTOR.fields_by_name


def _fillers(layer: Layer) -> Iterator[tuple[Path, Any]]:
    """Every filler in a layer's settings, with its path."""
    for field, value in layer.p.ListFields() if layer.p is not None else ():
        if field.message_type is not None and field.message_type.name == "FillerParameter":
            if is_repeated(field):
                yield from (((field.name, index), one) for index, one in enumerate(value))
            else:
                yield (field.name,), value
