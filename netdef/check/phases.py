"""Layers in the wrong phase."""

from __future__ import annotations

from netdef.check.registry import Findings, both_nets, each_net, warning
from netdef.graph.net import Net


@both_nets
def in_one_phase_only(train: Net, test: Net) -> Findings:
    """Dropout only in the test phase, or Accuracy only in the train phase."""
    trained = {layer.name for layer in train.layers}
    tested = {layer.name for layer in test.layers}
    for layer in test.layers:
        if layer.idle_unless and layer.name not in trained:
            text = f"{layer.type} {layer.name} is only in the test phase, where it does nothing"
            yield warning("ND207", text, layer.position, f"write layer {layer.name}: ..., for both phases")
    for layer in train.layers:
        if layer.is_accuracy and layer.name not in tested:
            text = f"{layer.type} {layer.name} is only in the train phase: no test reports it"
            yield warning("ND208", text, layer.position, f"write test layer {layer.name}: ...")


@each_net
def dropout_of_nothing(net: Net) -> Findings:
    for layer in net.layers:
        field = layer.idle_unless
        if field and getattr(layer.p, field) == 0:
            text = f"{layer.type} {layer.name} has a {field} of 0: it does nothing"
            yield warning("ND207", text, layer.where(field), "remove it, or give a ratio such as 0.5")


@each_net
def statistics_of_the_test_batch(net: Net) -> Findings:
    for layer in net.layers:
        if net.phase == "test" and layer.uses_batch_statistics:
            text = f"{layer.type} {layer.name} normalises each test batch by itself"
            reason = "leave use_global_stats out: it is false in training and true in testing by itself"
            yield warning("ND213", text, layer.where("use_global_stats"), reason)
