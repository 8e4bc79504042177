"""Compute what depends on constants and shapes only, and infer the shapes that follow from it."""

from __future__ import annotations

from typing import Any

import numpy as np

from netdef.graph.shape import Shape
from netdef.language.diagnostics import NetdefError
from runtime.exchange.onnx_in.model import Model, Node

SHAPES = 1024  # numbers that the shapes of other values may be made of
MOST_FOLDED = 1 << 20  # numbers that a constant may come to; a larger one is weights that something computes


def infer_and_fold(onnx: Any, model: Model) -> None:
    """Fold until no more shapes get known: where the target of a Reshape is made of other shapes, those behind it follow."""
    fold(onnx, model)
    while any(name and name not in model.shapes for node in model.nodes for name in node.outputs):
        known = len(model.shapes)
        model.shapes |= shapes_in(onnx, _without_folded(onnx, model), model.file)
        fold(onnx, model)
        if len(model.shapes) == known:
            return  # a rule that needs the shape says so


def _without_folded(onnx: Any, model: Model) -> Any:
    """The ModelProto with what is known as constants, of which large ones are inputs, as only their shapes count."""
    whole, made = model.data, onnx.ModelProto()
    made.ir_version = whole.ir_version
    made.opset_import.extend(whole.opset_import)
    made.graph.name = "shapes"
    made.graph.node.extend(one for one in whole.graph.node if one.output[0] not in model.constants)
    made.graph.input.extend(one for one in whole.graph.input if one.name not in model.constants)
    made.graph.output.extend(whole.graph.output)
    for name in {name for node in made.graph.node for name in node.input} & model.constants.keys():
        array = model.constants[name]
        if array.size <= SHAPES:
            made.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
        else:
            kind = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
            made.graph.input.append(onnx.helper.make_tensor_value_info(name, kind, array.shape))
    return made


def shapes_in(onnx: Any, model: Any, path: str) -> dict[str, Shape]:
    """The shapes of a ModelProto's values, as far as they can be inferred.

    Raises
    ------
    NetdefError: they contradict one another.
    """
    try:
        graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    except Exception as error:  # of onnx's own kinds
        raise NetdefError(f"{path}: the shapes of its values contradict one another: {in_one_line(error)}") from None
    known = {one.name: dims_of(one) for one in (*graph.input, *graph.value_info, *graph.output)}
    return {name: tuple(dim or 0 for dim in dims) for name, dims in known.items() if None not in dims}


def dims_of(value: Any) -> list[int | None]:
    """The dimensions of a value; None for one that is open."""
    if not value.type.tensor_type.HasField("shape"):
        return [None]
    return [one.dim_value if one.HasField("dim_value") and one.dim_value > 0 else None for one in value.type.tensor_type.shape.dim]


def in_one_line(error: Exception) -> str:
    """An error of another package in one line."""
    return " ".join(str(error).split())[:300]


def fold(onnx: Any, model: Model) -> None:
    """Compute the nodes that depend on constants and shapes only, and leave out those that pass on what they read."""
    kept: list[Node] = []
    alias: dict[str, str] = {}
    for node in model.nodes:
        for name in set(node.inputs) & alias.keys():
            node = node.reading(name, alias[name])
        if node.kind == "Identity" and node.outputs[0] not in model.outputs and node.inputs[0] not in model.constants:
            alias[node.outputs[0]] = node.inputs[0]
        elif (made := _computed(onnx, model, node)) is not None:
            for name, array in zip(node.outputs, made, strict=False):
                model.constants[name], model.shapes[name] = array, array.shape
        else:
            kept.append(node)
    model.nodes[:] = kept


def _computed(onnx: Any, model: Model, node: Node) -> list[np.ndarray] | None:
    """What a node makes, if that is known now."""
    if node.kind == "Shape" and node.inputs[0] in model.shapes:
        sizes = np.array(model.shapes[node.inputs[0]], np.int64)
        return [sizes[node.attributes.get("start", 0) : node.attributes.get("end", len(sizes))]]
    if node.kind == "Identity" and node.inputs[0] in model.constants:
        return [model.constants[node.inputs[0]]]
    if any(name and name not in model.constants for name in node.inputs) or "." in node.kind:
        return None
    if any(model.constants[name].size > MOST_FOLDED for name in node.inputs if name):
        return None
    attributes = {key: value for key, value in node.attributes.items() if key != "doc_string"}
    one = onnx.helper.make_node(node.kind, node.inputs, node.outputs, **attributes)
    names = [name for name in dict.fromkeys(node.inputs) if name]
    kinds = [onnx.helper.np_dtype_to_tensor_dtype(model.constants[name].dtype) for name in names]
    given = [onnx.helper.make_tensor_value_info(name, kind, None) for name, kind in zip(names, kinds, strict=True)]
    made = [onnx.helper.make_empty_tensor_value_info(name) for name in node.outputs if name]
    graph = onnx.helper.make_graph([one], "constant", given, made)
    whole = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", model.opset)])
    try:
        from onnx.reference import ReferenceEvaluator

        return [np.asarray(array) for array in ReferenceEvaluator(whole).run(None, {name: model.constants[name] for name in names})]
    except Exception:  # a random number, or an operator that it lacks: the node stays, and a rule or an error is for it
        return None
