"""Layers of one name that differ between training and testing."""

from __future__ import annotations

from netdef.check.gradient_flow import learns, losses
from netdef.check.registry import Findings, both_nets, error, warning
from netdef.diff.settings import compared
from netdef.graph.layer import Layer
from netdef.graph.net import Net
from netdef.graph.shape import shape_text
from netdef.language.diagnostics import Note


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
