"""Layers in the wrong phase."""

from __future__ import annotations

from netdef.check.registry import Findings, both_nets, each_net, warning
from netdef.graph.net import Net


@both_nets
def dropout_in_testing_alone(train: Net, test: Net) -> Findings:
    """Dropout only in the test phase, or Accuracy only in the train phase."""
    trained = {layer.name for layer in train.layers}
    tested = {layer.name for layer in test.layers}
    for layer in test.layers:
        if layer.type == "Dropout" and layer.name not in trained:
            text = f"Dropout {layer.name} is only in the test phase, where it does nothing"
            yield warning("ND207", text, layer.position, f"write layer {layer.name}: ..., for both phases")
    for layer in train.layers:
        if layer.type == "Accuracy" and layer.name not in tested:
            text = f"Accuracy {layer.name} is only in the train phase: no test reports it"
            yield warning("ND208", text, layer.position, f"write test layer {layer.name}: ...")


@each_net
def dropout_of_nothing(net: Net) -> Findings:
    for layer in net.layers:
        if layer.type == "Dropout" and layer.p.dropout_ratio == 0:
            text = f"Dropout {layer.name} has a dropout_ratio of 0: it does nothing"
            yield warning("ND207", text, layer.where("dropout_ratio"), "remove it, or give a ratio such as 0.5")


@each_net
def statistics_of_the_test_batch(net: Net) -> Findings:
    for layer in net.layers:
        if (
            net.phase == "test"
            and layer.type == "BatchNorm"
            and layer.p.HasField("use_global_stats")
            and not layer.p.use_global_stats
        ):
            text = f"BatchNorm {layer.name} normalises each test batch by itself"
            reason = "leave use_global_stats out: it is false in training and true in testing by itself"
            yield warning("ND213", text, layer.where("use_global_stats"), reason)
