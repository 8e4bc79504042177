"""The nodes and constants of an ONNX graph while the rules write them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netdef.graph.layer import Blob, Layer, Parameter
from netdef.graph.net import Net
from runtime.exchange.names import free_name

Reader = Callable[[Parameter], np.ndarray]  # the array of a parameter, in Caffe's shape
Value = str | None  # the name of a value; None leaves an optional input out


@dataclass(frozen=True)
class Node:
    """A node: its operator, the names of what it reads and makes, its attributes, and the layer that it is of."""

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    layer: str


class Graph:
    """The graph of a net.

    Attributes
    ----------
    nodes: in the order in which they can run.
    constants: arrays by name: weights, and what the rules need.
    weights: those of `constants` that are weights. changed: parameters by the names of constants that are made of them.
    names: of blobs. The last version of a blob has the blob's name, as an input has.
    """

    def __init__(self, net: Net, opset: int, read: Reader):
        self.net, self.opset, self.read = net, opset, read
        self.nodes: list[Node] = []
        self.constants: dict[str, np.ndarray] = {}
        self.weights: dict[Parameter, str] = {}
        self.changed: dict[str, Parameter] = {}
        self.taken: set[str] = set()
        self.taken_by_nodes: set[str] = set()
        self.names = {blob: self._name_of(blob) for layer in net.layers for blob in layer.tops}

    def _name_of(self, blob: Blob) -> str:
        plain = blob.producer.is_input or self.net.blobs[blob.name] is blob
        return self.fresh(blob.name if plain else f"{blob.name}@{blob.version}")

    def fresh(self, name: str) -> str:
        """A name that no value has yet."""
        return free_name(name, self.taken)

    def fresh_node(self, name: str) -> str:
        """A name that no node has yet."""
        return free_name(name, self.taken_by_nodes)


class Scope:
    """What the rule of a layer writes with: its blobs by name, its weights, and new nodes."""

    def __init__(self, graph: Graph, layer: Layer):
        self.graph, self.layer, self.opset = graph, layer, graph.opset
        self.inputs = [graph.names[blob] for blob in layer.bottoms]
        self.outputs = [graph.names[blob] for blob in layer.tops]

    @property
    def x(self) -> str:
        """The first bottom."""
        return self.inputs[0]

    def weight(self, index: int, change: Callable[[np.ndarray], np.ndarray] | None = None, form: str = "") -> str:
        """A parameter of the layer; one that layers share is there once.

        Parameters
        ----------
        change: makes of the array what the node takes; `form` then names the outcome.
        """
        parameter = self.layer.parameters[index]
        owner, graph = parameter.owner, self.graph
        if change is None and parameter.shape == owner.shape:
            if owner not in graph.weights:
                graph.weights[owner] = graph.fresh(f"{owner.layer.name}.{owner.index}")
                graph.constants[graph.weights[owner]] = graph.read(owner)
            return graph.weights[owner]
        array = graph.read(owner).reshape(parameter.shape)
        name = self.constant(change(array) if change else array, form or str(index))
        graph.changed[name] = owner
        return name

    def array(self, index: int) -> np.ndarray:
        """The numbers of a parameter."""
        parameter = self.layer.parameters[index]
        return self.graph.read(parameter.owner).reshape(parameter.shape)

    def constant(self, array: Any, form: str) -> str:
        """A constant, float32 unless it holds whole numbers."""
        values = np.asarray(array)
        name = self.graph.fresh(f"{self.layer.name}.{form}")
        self.graph.constants[name] = values.astype(np.int64 if values.dtype.kind in "iu" else np.float32)
        return name

    def whole(self, *numbers: int, form: str = "sizes") -> str:
        """A list of whole numbers."""
        return self.constant(np.array(numbers, np.int64), form)

    def op(self, kind: str, *inputs: Value, outputs: int = 1, **attributes: Any) -> Any:
        """Append a node; returns the name of what it makes, or a list of several."""
        names = [self.graph.fresh(f"{self.layer.name}.{kind.lower()}") for _ in range(outputs)]
        self._append(kind, self.graph.fresh_node(f"{self.layer.name}/{kind}"), inputs, names, attributes)
        return names[0] if outputs == 1 else names

    def out(self, kind: str, *inputs: Value, top: int | Sequence[int] = 0, **attributes: Any) -> None:
        """Append the node that makes a top, or several; it has the layer's name."""
        tops = [top] if isinstance(top, int) else top
        names = [self.outputs[index] for index in tops]
        self._append(kind, self.graph.fresh_node(self.layer.name), inputs, names, attributes)

    def _append(self, kind: str, name: str, inputs: Sequence[Value], outputs: Sequence[str], attributes: dict[str, Any]) -> None:
        given = {key: value for key, value in attributes.items() if value is not None}
        read = [one or "" for one in inputs]
        while read and not read[-1]:
            read.pop()
        self.graph.nodes.append(Node(kind, name, tuple(read), tuple(outputs), given, self.layer.name))

    def scaled(self, x: str, factor: float, form: str = "factor") -> str:
        """x times a number; x itself for 1."""
        return x if factor == 1 else self.op("Mul", x, self.constant(np.float32(factor), form))

    def shifted(self, x: str, term: float, form: str = "shift") -> str:
        """x plus a number; x itself for 0."""
        return x if term == 0 else self.op("Add", x, self.constant(np.float32(term), form))

    def reshaped(self, x: str, *sizes: int) -> str:
        """x in another shape; 0 keeps an axis, -1 takes what is left."""
        return self.op("Reshape", x, self.whole(*sizes, form="shape"))

    def summed(self, x: str, *axes: int, keep: bool = True) -> str:
        return self.op("ReduceSum", x, self.whole(*axes, form="axes"), keepdims=int(keep))

    def sliced(self, x: str, starts: Sequence[int], ends: Sequence[int], axes: Sequence[int]) -> str:
        return self.op("Slice", x, *self.bounds(starts, ends, axes))

    def bounds(self, starts: Sequence[int], ends: Sequence[int], axes: Sequence[int]) -> list[str]:
        """The inputs of a Slice after its first."""
        return [self.whole(*starts, form="starts"), self.whole(*ends, form="ends"), self.whole(*axes, form="axes")]
