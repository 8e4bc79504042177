"""Read an ONNX file: its nodes, its constants, and the shapes of its values.  What depends on constants only is computed here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from netdef.graph.shape import Shape
from netdef.language.diagnostics import Diagnostic, NetdefError
from netdef.language.units import shortened
from netdef.schema import is_repeated
from netdef.weights.foreign import form_of
from netdef.weights.reading import contents
from runtime.exchange.onnx_out.file import onnx_module

OPSETS = (7, 24)  # the first and the last whose operators the rules know
LOOPS = ("If", "Loop", "Scan", "SequenceMap")
SHAPES = 1024  # numbers that the shapes of other values may be made of
MOST_FOLDED = 1 << 20  # numbers that a constant may come to; a larger one is weights that something computes


@dataclass(frozen=True)
class Node:
    """A node of the graph; the name of a value that is left out is "". label: what messages call it."""

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    @property
    def label(self) -> str:
        return self.name or f"of {self.outputs[0]}"

    def input(self, index: int) -> str:
        """The name of an input; "" where it is left out."""
        return self.inputs[index] if index < len(self.inputs) else ""

    def reading(self, before: str, after: str) -> Node:
        """The same node, reading another value."""
        return replace(self, inputs=tuple(after if name == before else name for name in self.inputs))


@dataclass
class Model:
    """A model whose shapes are all fixed.

    Attributes
    ----------
    inputs, outputs: names of values, without constants.
    shapes: of values, as far as they are known. constants: arrays by name.
    by_netdef: whether netdef wrote it.
    data: its bytes, with shapes fixed, to run it.
    """

    file: str
    name: str
    opset: int
    by_netdef: bool
    nodes: list[Node]
    inputs: list[str]
    outputs: list[str]
    shapes: dict[str, Shape]
    constants: dict[str, np.ndarray]
    data: Any = field(repr=False, default=None)

    def readers(self, value: str) -> list[Node]:
        return [node for node in self.nodes if value in node.inputs]

    def refused(self, node: Node, why: str) -> NetdefError:
        """The error: a node that no layer computes."""
        return NetdefError(f"{self.file}: node {node.label} ({node.kind}): {why}")


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
    _check_attributes(onnx, model, path, opset)
    constants = _constants(onnx, model, path)
    _fix_shapes(model, path, constants, batch, dict(shapes or {}))
    try:
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except Exception as error:  # of onnx's own kinds
        raise NetdefError(f"{path}: the shapes of its values contradict one another: {_line(error)}") from None
    graph = inferred.graph
    known = {one.name: _dims(one) for one in (*graph.input, *graph.value_info, *graph.output)}
    found = Model(
        file=path,
        name=graph.name,
        opset=opset,
        by_netdef=model.producer_name == "netdef",
        nodes=[_node(onnx, one) for one in graph.node],
        inputs=[one.name for one in graph.input if one.name not in constants],
        outputs=[one.name for one in graph.output],
        shapes={name: tuple(dim or 0 for dim in dims) for name, dims in known.items() if None not in dims},
        constants=constants,
        data=model,
    )
    found.shapes |= {name: array.shape for name, array in constants.items()}
    _fold(onnx, found)
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
        raise NetdefError(f"{path} is not a whole ONNX file: {_line(error)}") from None
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


def _line(error: Exception) -> str:
    """An error of another package in one line."""
    return " ".join(str(error).split())[:300]


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


def _dims(value: Any) -> list[int | None]:
    """The dimensions of a value; None for one that is open."""
    if not value.type.tensor_type.HasField("shape"):
        return [None]
    return [one.dim_value if one.HasField("dim_value") and one.dim_value > 0 else None for one in value.type.tensor_type.shape.dim]


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
        dims = _dims(one)
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


def _check_attributes(onnx: Any, model: Any, path: str, opset: int) -> None:
    """Raises NetdefError: a node of ONNX's own has an attribute of another type than its operator's."""
    for node in model.graph.node:
        if node.domain not in ("", "ai.onnx") or not onnx.defs.has(node.op_type, opset):
            continue
        known = onnx.defs.get_schema(node.op_type, opset).attributes
        for one in node.attribute:
            if one.name in known and known[one.name].type.value != one.type:
                text = f"attribute {one.name} of node {node.name or node.op_type} is of another type than its operator's"
                raise NetdefError(f"{path} is not a whole ONNX file: {text}")


def _node(onnx: Any, one: Any) -> Node:
    values = {each.name: onnx.helper.get_attribute_value(each) for each in one.attribute}
    texts = {key: value.decode("utf-8", "replace") if isinstance(value, bytes) else value for key, value in values.items()}
    kind = f"{one.domain}.{one.op_type}" if one.domain not in ("", "ai.onnx") else one.op_type
    note = {"doc_string": one.doc_string} if one.doc_string else {}
    return Node(kind, one.name, tuple(one.input), tuple(one.output), {**texts, **note})


def _fold(onnx: Any, model: Model) -> None:
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
