"""An ONNX model as the rules read it: its nodes, its constants, and the shapes of its values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from netdef.graph.shape import Shape
from netdef.language.diagnostics import NetdefError


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
