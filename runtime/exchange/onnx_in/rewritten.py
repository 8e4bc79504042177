"""The net of a file that netdef wrote: the net of its metadata, if writing that again gives the nodes and constants of the file.

So every type that is exported comes back as it was. In a file that another program has changed, the nodes count.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np

from netdef.graph.layer import Parameter
from netdef.graph.net import Net
from netdef.graph.overrides import set_input_shapes
from netdef.language.diagnostics import NetdefError
from netdef.layers.normalize import DIVISOR
from netdef.loading import parse, rebuilt
from runtime.exchange.onnx_in.layers import Weights
from runtime.exchange.onnx_in.model import Model
from runtime.exchange.onnx_out.file import NET_TEXT, nodes_of
from runtime.exchange.onnx_out.graph import Graph, Reader
from runtime.exchange.onnx_out.model import OPSETS, Written, blank, used_constants, written


def rewritten(model: Model) -> tuple[Any, Weights] | None:
    """The NetParameter and the weights of a file that netdef wrote; None where another program wrote or changed it."""
    texts = {one.key: one.value for one in model.data.metadata_props}
    if not model.by_netdef or NET_TEXT not in texts or not OPSETS[0] <= model.opset <= OPSETS[1]:
        return None
    with suppress(NetdefError):  # of a text or a graph that this version does not know
        net = parse(texts[NET_TEXT], model.file, phase="test")
        if [blob.name for blob in net.inputs] != model.inputs:
            return None
        shapes = {name: model.shapes[name] for name in model.inputs if model.shapes[name] != net.blobs[name].shape}
        net = rebuilt(net, lambda message: set_input_shapes(message, shapes)) if shapes else net
        read = _reader(model, written(net, model.opset, blank).graph)
        if _is_same(model, written(net, model.opset, read)):
            return type(net.message)(name=net.name, layer=net.message.layer), _weights(net, read)
    return None


def _reader(model: Model, graph: Graph) -> Reader:
    """The arrays that the file has of parameters; a divisor is 1, and what no node reads 0."""
    names = {**{owner: name for name, owner in graph.changed.items()}, **graph.weights}

    def read(parameter: Parameter) -> np.ndarray:
        owner = parameter.owner
        array = model.constants.get(names.get(owner, ""))
        if array is not None and array.size == owner.count:
            return array.reshape(owner.shape)
        return blank(owner) + (owner.layer.type == "BatchNorm" and owner.index == DIVISOR)

    return read


def _is_same(model: Model, made: Written) -> bool:
    """Whether a graph has the nodes, the constants, the inputs and the outputs of the file."""
    names, file = made.graph.names, model.data.graph
    if [names[blob] for blob in made.outputs] != model.outputs:
        return False
    constants = dict(used_constants(made.graph))
    if nodes_of(made.graph) != list(file.node) or constants.keys() != {one.name for one in file.initializer}:
        return False
    return all(_same_array(model.constants[name], array) for name, array in constants.items())


def _same_array(one: np.ndarray, other: np.ndarray) -> bool:
    return one.dtype == other.dtype and np.array_equal(one, other)


def _weights(net: Net, read: Reader) -> Weights:
    return {layer.name: [read(one) for one in layer.parameters] for layer in net.layers if layer.parameters}
