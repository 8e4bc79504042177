"""An ONNX model as bytes and as files: the same for equal input."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from netdef.graph.layer import Blob
from netdef.language.diagnostics import NetdefError
from netdef.language.extras import install
from netdef.language.printer import print_message
from netdef.language.writing import replacing
from runtime.exchange.onnx_out.graph import Graph
from runtime.exchange.onnx_out.model import IMAGES, Written, used_constants

IR_VERSION = 10  # the format of the file; of opsets 21 and 22
MOST_INSIDE = 2**31 - 2**20  # bytes of weights: a message of protobuf holds less than 2 GiB
NET_TEXT = "prototxt"  # of the metadata: the net that the graph was written from, for `netdef import`
SMALL = 1024  # bytes: arrays up to this size stay in the model


def onnx_module(what: str = "ONNX") -> Any:
    """The package onnx.

    Raises
    ------
    NetdefError: it is not installed.
    """
    try:
        import onnx
    except ImportError:
        raise NetdefError(f"{what} needs onnx, which is not installed", hint=install("onnx")) from None
    return onnx


def model_of(made: Written, data_file: str | None = None, also: Collection[Blob] = ()) -> Any:
    """The ModelProto.

    Parameters
    ----------
    data_file: the file that has the weights; None: the model has them.
    also: blobs that are outputs too, to compare them.
    """
    graph, helper = made.graph, onnx_module().helper
    nodes = nodes_of(made.graph)
    inputs = [_value(made, blob) for blob in made.inputs]
    inside = {blob: _value(made, blob) for layer in graph.net.layers for blob in layer.tops if not layer.is_input}
    shown = dict.fromkeys([*made.outputs, *also])
    outputs = [inside[blob] for blob in shown]
    between = [value for blob, value in inside.items() if blob not in shown]
    tensors = list(_tensors(made, data_file))
    model = helper.make_model(
        helper.make_graph(nodes, graph.net.name or "net", inputs, outputs, tensors, value_info=between),
        opset_imports=[helper.make_opsetid("", graph.opset)],
        ir_version=IR_VERSION,
        producer_name="netdef",
    )
    for key, text in {**made.facts, NET_TEXT: print_message(graph.net.message)}.items():
        model.metadata_props.add(key=key, value=text)
    return model


def nodes_of(graph: Graph) -> list[Any]:
    """The NodeProtos of a graph."""
    make, nodes = onnx_module().helper.make_node, []
    for node in graph.nodes:
        attributes = {key: list(value) if isinstance(value, tuple) else value for key, value in node.attributes.items()}
        nodes.append(make(node.kind, node.inputs, node.outputs, name=node.name, **attributes))
    return nodes


def _value(made: Written, blob: Blob) -> Any:
    """Name, type and shape of a blob."""
    shape: list[int | str] = list(blob.shape)
    if made.dynamic and shape and made.graph.net.batch == shape[0]:
        shape[0] = IMAGES
    helper, kind = onnx_module().helper, onnx_module().TensorProto.FLOAT
    if any(layer.keeps_some_images for layer in made.graph.net.layers) and not blob.producer.is_input:
        return helper.make_tensor_value_info(made.graph.names[blob], kind, None)  # a run finds how many images there are
    return helper.make_tensor_value_info(made.graph.names[blob], kind, shape)


def _tensors(made: Written, data_file: str | None) -> Iterable[Any]:
    """The constants; those in the data file with their offsets there."""
    onnx, offset = onnx_module(), 0
    for name, array in used_constants(made.graph):
        if data_file is None or array.nbytes <= SMALL:
            yield onnx.numpy_helper.from_array(np.asarray(array, order="C"), name)
            continue
        kind = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
        tensor = onnx.TensorProto(name=name, dims=array.shape, data_type=kind, data_location=onnx.TensorProto.EXTERNAL)
        for key, value in (("location", data_file), ("offset", offset), ("length", array.nbytes)):
            tensor.external_data.add(key=key, value=str(value))
        offset += array.nbytes
        yield tensor


def weight_bytes(made: Written) -> int:
    """The size of all constants."""
    return sum(array.nbytes for _, array in used_constants(made.graph))


def write_model(path: str, made: Written, check: Callable[[Path], None]) -> list[str]:
    """Write a model, and weights of 2 GiB or more into PATH.data. Returns the files' paths.

    Parameters
    ----------
    check: called with the file before it gets its name; if it raises, nothing is written.

    Raises
    ------
    NetdefError: it cannot be written; what was there is untouched.
    """
    with ExitStack() as stack:
        if weight_bytes(made) <= MOST_INSIDE:
            partial = stack.enter_context(replacing(path))
            partial.write_bytes(model_of(made).SerializeToString(deterministic=True))
            check(partial)
            return [path]
        beside = f"{path}.data"
        partial = stack.enter_context(replacing(path))  # its name comes last, when the data have theirs
        data = stack.enter_context(replacing(beside))
        with data.open("wb") as file:
            for _, array in used_constants(made.graph):
                if array.nbytes > SMALL:
                    file.write(np.ascontiguousarray(array).data)
        model = model_of(made, data.name)  # as long as the data have no name of their own
        partial.write_bytes(model.SerializeToString(deterministic=True))
        check(partial)
        partial.write_bytes(model_of(made, os.path.basename(beside)).SerializeToString(deterministic=True))
        return [path, beside]
