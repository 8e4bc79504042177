"""Layers of one name that differ between training and testing."""

from __future__ import annotations

from typing import Any

from netdef.check.gradient_flow import learns, losses
from netdef.check.registry import Findings, both_nets, error, warning
from netdef.diff.settings import compared
from netdef.graph.layer import Layer
from netdef.graph.net import Net
from netdef.graph.shape import shape_text
from netdef.language.diagnostics import Note
from netdef.language.printer import print_value
from netdef.layers.data import Samples
from netdef.schema import is_repeated


@both_nets
def shared_layers(train: Net, test: Net) -> Findings:
    """Layers of one name whose weights, types or settings differ."""
    trained = {layer.name: layer for layer in train.layers}
    for layer in test.layers:
        other = trained.get(layer.name)
        if other is None:
            if learns(layer) and losses(train):
                text = f"{layer.type} {layer.name} has weights and is not in the train phase"
                yield warning("ND218", text, layer.position, "testing uses their initial values")
        elif layer.parameters or other.parameters or not layer.is_source:
            yield from _compared(other, layer)


TRANSFORMS = ("scale", "mean_value", "mean_file", "force_color", "force_gray")  # fields that pixels of both phases must agree in


@both_nets
def pixels(train: Net, test: Net) -> Findings:
    """Sources of one top whose images become other numbers in training and testing."""
    trained = {layer.message.top[0]: layer for layer in train.layers if isinstance(layer, Samples)}
    for layer in test.layers:
        other = trained.get(layer.message.top[0]) if isinstance(layer, Samples) else None
        if other is None or other.position == layer.position:
            continue
        mine, theirs = layer.message.transform_param, other.message.transform_param
        for field in TRANSFORMS:
            if getattr(mine, field) == getattr(theirs, field):
                continue
            texts = [_shown(one, field) for one in (theirs, mine)]
            text = f"{field} is {texts[0]} in {other.name} of training and {texts[1]} in {layer.name} of testing"
            notes = (Note("the one in training", other.position),)
            at = layer.within(("transform_param", field))
            yield warning("ND231", text, at, "the net is tested on other numbers than it was trained on", notes)


def _shown(transform: Any, field: str) -> str:
    """The value of a field as text."""
    info = transform.DESCRIPTOR.fields_by_name[field]
    value = getattr(transform, field)
    return ", ".join(print_value(info, one) for one in (value if is_repeated(info) else [value])) or "none"


def _compared(train: Layer, test: Layer) -> Findings:
    notes = (Note("the one in training", train.position),)
    shapes = [[parameter.shape for parameter in layer.parameters] for layer in (train, test)]
    if shapes[0] != shapes[1]:
        texts = [" + ".join(map(shape_text, side)) or "none" for side in shapes]
        text = f"{test.name} has weights {texts[0]} in training and {texts[1]} in testing"
        yield error("ND217", text, test.position, "the trained weights cannot be tested", notes)
        return
    if train.type != test.type:
        text = f"{test.name} is {train.type} in training and {test.type} in testing"
        yield warning("ND217", text, test.where("type"), "give them different names if that is meant", notes)
        return
    if train.position == test.position:
        return
    for change in compared(train, test):
        if change.kind in ("setting", "constant") and change.what not in {"engine", *test.settings_by_phase}:
            text = f"{test.type} {test.name} has {change.what} {change.before} in training and {change.after} in testing"
            reason = "testing measures another net than the trained one"
            yield warning("ND217", text, test.where(*change.what.split(".")), reason, notes)
