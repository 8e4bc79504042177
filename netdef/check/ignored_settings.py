"""Settings that a layer ignores."""

from __future__ import annotations

from netdef.check.registry import Findings, each_net, warning
from netdef.graph.net import Net
from netdef.graph.unsized import Unknown
from netdef.layers.data import HDF5Data, MemoryData, Samples
from netdef.layers.eltwise import Eltwise
from netdef.schema import LAYER_TYPES


@each_net
def settings_of_another_type(net: Net) -> Findings:
    """A parameter message of another type, or a transform_param in a layer without images."""
    for layer in net.layers:
        for field, _ in layer.message.ListFields() if not isinstance(layer, Unknown) else ():
            if field.message_type is None or not field.name.endswith("_param") or field.name in layer.param_fields:
                continue
            if field.name == "transform_param":
                if isinstance(layer, HDF5Data | MemoryData):
                    text = f"{layer.type} {layer.name} takes its arrays as they are: no run accepts its transform_param"
                    yield warning("ND216", text, layer.within((field.name,)), "remove it: Caffe ignored it")
                elif not isinstance(layer, Samples):
                    text = f"{layer.type} {layer.name} reads no images: its transform_param is ignored"
                    yield warning("ND216", text, layer.within((field.name,)), "it belongs in the layer that reads images")
                continue
            text = f"{layer.type} {layer.name} does not read {field.name}: it is ignored"
            owners = [kind for kind, fields in LAYER_TYPES.items() if field.name in fields]
            reason = f"it is for layers of type {' or '.join(owners[:3])}" if owners else "remove it"
            yield warning("ND216", text, layer.within((field.name,)), reason)


@each_net
def settings_without_kernels(net: Net) -> Findings:
    """A setting of a fork that no kernel reads yet."""
    for layer in net.layers:
        for field in layer.unread_fields:
            text = f"nothing here reads {field} of {layer.type} {layer.name}: no run accepts it"
            yield warning("ND216", text, layer.within(tuple(field.split("."))), "remove it to run the net without it")


@each_net
def coefficients_of_a_maximum(net: Net) -> Findings:
    """coeff of an Eltwise that takes the maximum: only sums read it."""
    for layer in net.layers:
        if isinstance(layer, Eltwise) and layer.operation == "MAX" and len(layer.p.coeff):
            yield warning("ND216", f"Eltwise {layer.name} does not read coeff: it is for SUM", layer.where("coeff"), "remove it")
