"""From a net to an ONNX model: its graph by the rules, preprocessing before it, facts about it, and the file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from netdef.graph.layer import Blob, Layer, Parameter
from netdef.graph.net import Net
from netdef.language.diagnostics import Diagnostic, NetdefError
from runtime.exchange.onnx_out.graph import Graph, Node, Reader, Scope
from runtime.exchange.onnx_out.registry import LAST_OPSET, load_rules, refused, write_layer

OPSETS = (13, 22)  # the first and the last that the rules are written for
OPSET = 22
IMAGES = "N"  # the name of an axis that takes any number of images


@dataclass(frozen=True)
class Pixels:
    """What the graph does to pixels before its first layer.

    Parameters
    ----------
    mean: (C, 1, 1), subtracted, or None. scale: a factor on what is left. rgb: whether it takes red first, where the net takes
        blue.
    """

    mean: np.ndarray | None = None
    scale: float = 1.0
    rgb: bool = False

    @property
    def is_idle(self) -> bool:
        return self.mean is None and self.scale == 1 and not self.rgb


@dataclass(frozen=True)
class Written:
    """A graph, what it reads and makes, and facts about it."""

    graph: Graph
    inputs: tuple[Blob, ...]
    outputs: tuple[Blob, ...]
    dynamic: bool
    facts: Mapping[str, str] = field(default_factory=dict)


def written(net: Net, opset: int, read: Reader, pixels: Pixels | None = None) -> Written:
    """The graph of a deployed net.

    Raises
    ------
    NetdefError: with all layers that cannot be expressed.
    """
    load_rules()
    graph = Graph(net, opset, read)
    errors: list[Diagnostic] = []
    for layer in net.layers:
        try:
            write_layer(layer, Scope(graph, layer))
        except NetdefError as error:
            errors += error.diagnostics
    if errors:
        raise NetdefError(errors)
    if pixels is not None and not pixels.is_idle:
        _preprocess(graph, image_input(net), pixels)
    outputs = tuple(blob for blob in net.outputs if not blob.producer.is_source)
    return Written(graph, net.inputs, outputs, dynamic=False)


def default_opset(net: Net) -> int:
    """The latest opset in which ONNX Runtime runs all that the rules write for a net."""
    return min([OPSET, *(LAST_OPSET.get(layer.type, OPSET) for layer in net.layers)])


def blank(parameter: Parameter) -> np.ndarray:
    """Zeros in place of weights, to see what the rules say before any are read."""
    return np.zeros(parameter.owner.shape, np.float32)


def check_dynamic(one: Net, other: Net, opset: int) -> None:
    """That a graph does not depend on the number of images: that of the same net for another number is the same.

    Raises
    ------
    NetdefError: with all layers whose nodes differ.
    """
    graphs = [written(net, opset, blank).graph for net in (one, other)]
    by_layer = [_nodes_by_layer(graph) for graph in graphs]
    differ = [layer for layer in one.layers if by_layer[0].get(layer.name) != by_layer[1].get(layer.name)]
    differ += [layer for layer in one.layers if _parts_with_images(layer, other.layer(layer.name)) and layer not in differ]
    if differ:
        errors = (refused(layer, "what it does depends on the number of images (--batch N fixes it)") for layer in differ)
        raise NetdefError([diagnostic for error in errors for diagnostic in error.diagnostics])


def _nodes_by_layer(graph: Graph) -> dict[str, list[Any]]:
    """What the nodes of each layer say, constants that are no weights included."""
    weights: set[str] = set(graph.weights.values())
    found: dict[str, list[Any]] = {}
    for node in graph.nodes:
        own = [graph.constants[name].tolist() for name in node.inputs if name in graph.constants and name not in weights]
        found.setdefault(node.layer, []).append((node.kind, node.attributes, own))
    return found


def _parts_with_images(layer: Layer, other: Layer) -> bool:
    """Whether a parameter's shape depends on the number of images."""
    return [one.shape for one in layer.parameters] != [one.shape for one in other.parameters]


def image_input(net: Net) -> Blob:
    """The one input that takes images.

    Raises
    ------
    NetdefError: there is none, or there are several.
    """
    found = [blob for blob in net.inputs if len(blob.shape) == 4 and blob.shape[1] in (1, 3)]
    if len(found) != 1:
        raise NetdefError(
            f"{net.filename} has {len(found) or 'no'} inputs for images: --mean, --scale and --rgb are about one",
            hint="such an input has the shape N, 3, H, W, or N, 1, H, W",
        )
    return found[0]


def _preprocess(graph: Graph, blob: Blob, pixels: Pixels) -> None:
    """Put nodes before the first reader of the input: other order of channels, mean, scale."""
    reads, name = graph.names[blob], blob.name
    nodes: list[Node] = []
    last = reads

    def put(kind: str, form: str, array: np.ndarray, **attributes: Any) -> None:
        nonlocal last
        constant, made = graph.fresh(f"{name}.{form}"), graph.fresh(f"{name}.{kind.lower()}")
        graph.constants[constant] = array
        nodes.append(Node(kind, graph.fresh_node(f"{name}/{kind}"), (last, constant), (made,), attributes, blob.producer.name))
        last = made

    if pixels.rgb:
        if blob.shape[1] != 3:
            raise NetdefError(f"--rgb is about images of three channels; {name} has {blob.shape[1]}")
        put("Gather", "order", np.array([2, 1, 0]), axis=1)
    if pixels.mean is not None:
        put("Sub", "mean", np.asarray(pixels.mean, np.float32))
    if pixels.scale != 1:
        put("Mul", "scale", np.asarray(pixels.scale, np.float32))
    renamed = [_reading(node, reads, last) for node in graph.nodes]
    graph.nodes[:] = [*nodes, *renamed]


def _reading(node: Node, before: str, after: str) -> Node:
    """A node that reads another value."""
    inputs = tuple(after if name == before else name for name in node.inputs)
    return Node(node.kind, node.name, inputs, node.outputs, node.attributes, node.layer)


def used_constants(graph: Graph) -> Iterable[tuple[str, np.ndarray]]:
    """The constants that nodes read, in the order of their first use."""
    seen: dict[str, np.ndarray] = {}
    for node in graph.nodes:
        for name in node.inputs:
            if name in graph.constants:
                seen.setdefault(name, graph.constants[name])
    return seen.items()
