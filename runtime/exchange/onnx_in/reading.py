"""Read an ONNX file: its nodes, its constants, and the shapes of its values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from netdef.language.diagnostics import Diagnostic, NetdefError
from netdef.language.units import shortened
from netdef.schema import is_repeated
from netdef.weights.foreign import form_of
from netdef.weights.reading import contents
from runtime.exchange.onnx_in.folding import SHAPES, dims_of, in_one_line, infer_and_fold, shapes_in
from runtime.exchange.onnx_in.model import Model, Node
from runtime.exchange.onnx_out.file import onnx_module

OPSETS = (7, 24)  # the first and the last whose operators the rules know
LOOPS = ("If", "Loop", "Scan", "SequenceMap")


def read_model(path: str, batch: int | None = None, shapes: Mapping[str, Sequence[int]] | None = None) -> Model:
    """Read an ONNX file.

    Parameters
    ----------
    batch: for first axes of inputs that the file leaves open; 1 if not given.
    shapes: of inputs, instead of the file's.

    Raises
    ------
    NetdefError: it cannot be read, is none, is damaged, of an opset that is not known, has loops, or leaves open a shape.
    """
    data = contents(Path(path))  # a file that is missing is named before a package
    onnx = onnx_module("an ONNX file")
    model = _load(onnx, path, data)
    opset = _check(model, path)
    _check_nodes(onnx, model, path, opset)
    constants = _constants(onnx, model, path)
    _fix_shapes(model, path, constants, batch, dict(shapes or {}))
    graph = model.graph
    found = Model(
        file=path,
        name=graph.name,
        opset=opset,
        by_netdef=model.producer_name == "netdef",
        nodes=[_node(onnx, one) for one in graph.node],
        inputs=[one.name for one in graph.input if one.name not in constants],
        outputs=[one.name for one in graph.output],
        shapes=shapes_in(onnx, model, path),
        constants=constants,
        data=model,
    )
    found.shapes |= {name: array.shape for name, array in constants.items()}
    infer_and_fold(onnx, found)
    return found


def _load(onnx: Any, path: str, data: memoryview) -> Any:
    """The ModelProto in a file's bytes."""
    try:
        model = onnx.load_model_from_string(bytes(data))
        whole = model.ir_version > 0 and len(model.graph.node) > 0
    except Exception:  # protobuf's own, whose class depends on its version
        whole = False
    if whole and not _is_text(model):
        raise NetdefError(f"{path} is not a whole ONNX file: a text in it is not UTF-8")
    if not whole:
        form = form_of(data)
        what = f"it is {form}" if form else f"or is cut short ({len(data):,} bytes in all)"
        raise NetdefError(f"{path} is not an ONNX file, {what}")
    return model


def _is_text(message: Any) -> bool:
    """Whether all texts in a message are UTF-8: of one that is not, protobuf gives the bytes, or raises an error."""
    try:
        for known, value in message.ListFields():
            values = value if is_repeated(known) else [value]
            if known.type == known.TYPE_MESSAGE and not all(map(_is_text, values)):
                return False
            if known.type == known.TYPE_STRING and not all(isinstance(one, str) for one in values):
                return False
    except UnicodeDecodeError:
        return False
    return True


def _constants(onnx: Any, model: Any, path: str) -> dict[str, np.ndarray]:
    """The arrays of a model, those in files beside it too; in the model large ones stay there, as it may hold less than 2 GiB.

    Raises
    ------
    NetdefError: one is damaged, or a node reads what nothing makes.
    """
    try:
        found = {one.name: _array(onnx, one, str(Path(path).parent)) for one in model.graph.initializer}
    except Exception as error:  # of onnx's own kinds
        raise NetdefError(f"{path} is not a whole ONNX file: {in_one_line(error)}") from None
    made = {"", *found, *(one.name for one in model.graph.input)}
    for node in model.graph.node:
        missing = [name for name in node.input if name not in made]
        if missing:
            raise NetdefError(
                f"{path} is not a whole ONNX file: node {node.name or node.op_type} reads {missing[0]}, which nothing makes"
            )
        made |= set(node.output)
    return found


def _array(onnx: Any, tensor: Any, folder: str) -> np.ndarray:
    """The numbers of a tensor, read from its file where it has one."""
    if not onnx.external_data_helper.uses_external_data(tensor):
        return np.asarray(onnx.numpy_helper.to_array(tensor))
    if prod(tensor.dims) > SHAPES:
        tensor = onnx.TensorProto.FromString(tensor.SerializeToString())  # which reading fills
    onnx.external_data_helper.load_external_data_for_tensor(tensor, folder)
    tensor.data_location = onnx.TensorProto.DEFAULT
    del tensor.external_data[:]
    return np.asarray(onnx.numpy_helper.to_array(tensor))


def _check(model: Any, path: str) -> int:
    """The opset; that it is known, and that there are no loops.  Raises NetdefError otherwise."""
    versions = {one.domain: one.version for one in model.opset_import}
    opset = versions.get("", versions.get("ai.onnx", 0))
    low, high = OPSETS
    if not low <= opset <= high:
        raise NetdefError(f"{path} has opset {opset}; netdef reads opsets {low} to {high}")
    loops = [one for one in model.graph.node if one.op_type in LOOPS]
    if loops:
        names = ", ".join(f"{one.name or one.output[0]} ({one.op_type})" for one in loops)
        raise NetdefError(f"{path} has loops or branches, which a net cannot have: {names}")
    return opset


def _fix_shapes(model: Any, path: str, constants: Mapping[str, Any], batch: int | None, given: dict[str, Sequence[int]]) -> None:
    """Fix the shapes of inputs; those of all other values are inferred anew.

    Raises
    ------
    NetdefError: with all inputs whose shapes stay open, and shapes that are given for no input.
    """
    inputs = [one for one in model.graph.input if one.name not in constants]
    errors = []
    for name in given.keys() - {one.name for one in inputs}:
        errors.append(Diagnostic(f"{path} has no input {name}", hint=f"its inputs: {shortened([one.name for one in inputs])}"))
    for one in inputs:
        dims = dims_of(one)
        if one.name in given:
            dims = list(given[one.name])
        elif dims and (dims[0] is None or batch is not None):
            dims[0] = batch or 1
        if None in dims:
            shown = " x ".join("?" if dim is None else str(dim) for dim in dims)
            hint = f"--shape {one.name}=1x3x224x224, say"
            errors.append(Diagnostic(f"{path} leaves the shape of its input {one.name} open: {shown}", hint=hint))
            continue
        del one.type.tensor_type.shape.dim[:]
        for dim in dims:
            one.type.tensor_type.shape.dim.add(dim_value=dim)
    if errors:
        raise NetdefError(errors)
    del model.graph.value_info[:]
    for one in model.graph.output:
        one.type.tensor_type.ClearField("shape")


def _check_nodes(onnx: Any, model: Any, path: str, opset: int) -> None:
    """Raises NetdefError: a node has no output, or, of ONNX's own, lacks an input or attribute, or has one of another type."""
    for node in model.graph.node:
        called = node.name or node.op_type
        if not node.output or not node.output[0]:
            raise NetdefError(f"{path} is not a whole ONNX file: node {called} names no output")
        if node.domain not in ("", "ai.onnx") or not onnx.defs.has(node.op_type, opset):
            continue
        schema = onnx.defs.get_schema(node.op_type, opset)
        required = [one.name for one in schema.inputs if one.option == onnx.defs.OpSchema.FormalParameterOption.Single]
        lacking = [name for at, name in enumerate(required) if at >= len(node.input) or not node.input[at]]
        if lacking or len(node.input) < schema.min_input:
            raise NetdefError(f"{path} is not a whole ONNX file: node {called} lacks its input {(lacking or ['1'])[0]}")
        absent = {name for name, one in schema.attributes.items() if one.required} - {one.name for one in node.attribute}
        if absent:
            raise NetdefError(f"{path} is not a whole ONNX file: node {called} lacks its attribute {min(absent)}")
        for one in node.attribute:
            if one.name in schema.attributes and schema.attributes[one.name].type.value != one.type:
                text = f"attribute {one.name} of node {called} is of another type than its operator's"
                raise NetdefError(f"{path} is not a whole ONNX file: {text}")


def _node(onnx: Any, one: Any) -> Node:
    values = {each.name: onnx.helper.get_attribute_value(each) for each in one.attribute}
    texts = {key: value.decode("utf-8", "replace") if isinstance(value, bytes) else value for key, value in values.items()}
    kind = f"{one.domain}.{one.op_type}" if one.domain not in ("", "ai.onnx") else one.op_type
    note = {"doc_string": one.doc_string} if one.doc_string else {}
    return Node(kind, one.name, tuple(one.input), tuple(one.output), {**texts, **note})
