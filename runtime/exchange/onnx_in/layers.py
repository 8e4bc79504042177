"""What the rules write into: the layers of a net, their weights, and which blob each value of the model is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from netdef.graph.layer import LAYERS
from netdef.graph.shape import Shape
from netdef.language.diagnostics import Diagnostic, NetdefError
from netdef.schema import message_class
from runtime.exchange.names import free_name
from runtime.exchange.onnx_in.model import Model, Node

Weights = dict[str, list[np.ndarray]]  # by layer


class Layers:
    """The net while it is made.

    Attributes
    ----------
    message: the NetParameter. weights: by layer. blobs: names of blobs by value. notes: where the net may differ.
    """

    def __init__(self, model: Model):
        self.model = model
        self.message: Any = message_class("NetParameter")(name=model.name)
        self.weights: Weights = {}
        self.blobs: dict[str, str] = {}
        self.notes: list[str] = []
        self.done: set[str] = set()  # outputs of nodes that were taken together with an earlier one
        self._names: set[str] = set()
        self._tops: set[str] = set(model.inputs) | (set() if model.by_netdef else set(model.outputs))
        for name in model.inputs:
            layer = self._layer("Input", name)
            layer.top.append(name)
            layer.input_param.shape.add().dim.extend(self.shape_of(name))
            self.blobs[name] = name

    def shape_of(self, value: str) -> Shape:
        """The shape of a value.

        Raises
        ------
        NetdefError: it is not known.
        """
        if value not in self.model.shapes:
            raise NetdefError(f"{self.model.file}: the shape of {value} is not known")
        return self.model.shapes[value]

    def constant(self, value: str) -> np.ndarray | None:
        """A constant; None for what the net computes, and for what is left out."""
        return self.model.constants.get(value)

    def only_reader(self, value: str, *kinds: str) -> Node | None:
        """The one node that reads a value, if it is of one of these kinds (all if none are given), and the value is no output."""
        readers = self.model.readers(value)
        alone = len(readers) == 1 and value not in self.model.outputs and (not kinds or readers[0].kind in kinds)
        return readers[0] if alone else None

    def _layer(self, kind: str, name: str) -> Any:
        layer = self.message.layer.add()
        layer.name, layer.type = free_name(name, self._names, "_"), kind
        return layer

    def add(
        self,
        node: Node,
        kind: str,
        bottoms: Sequence[str],
        tops: Sequence[str],
        suffix: str = "",
        named: str = "",
        apart: bool = False,
        **settings: Any,
    ) -> Any:
        """Append a layer.

        Parameters
        ----------
        bottoms, tops: values of the model; a top that is no value of it has the layer's name.
        suffix: of the layer's name, where a node becomes several layers. named: its name, where it is not the node's.
        apart: whether a later layer of the node reads a bottom too, so that this one may not work in place.
        settings: fields of the layer's parameter message.

        Returns
        -------
        The LayerParameter.
        """
        name = named or node.name.strip("/") or node.outputs[0].strip("/")
        layer = self._layer(kind, f"{name}{suffix}")
        layer.bottom.extend(self.blobs[value] for value in bottoms)
        for value in tops:
            self.blobs[value] = self._top(kind, layer, () if apart else bottoms, value)
            layer.top.append(self.blobs[value])
        if settings:
            _set(getattr(layer, _holder(kind)), settings)
        return layer

    def _top(self, kind: str, layer: Any, bottoms: Sequence[str], value: str) -> str:
        """The blob of a new value: the bottom's where the layer works in place, as Caffe's nets do where they can."""
        if self.model.by_netdef:
            in_place = len(bottoms) == 1 and blob_of(bottoms[0]) == blob_of(value)
            return self.blobs[bottoms[0]] if in_place else free_name(blob_of(value), self._tops, "_")
        if value in self.model.outputs:
            return value
        family = LAYERS[kind]
        works = family.kind == "activation" or (kind == "Scale" and self._is_normalized(bottoms[0]))
        alone = len(bottoms) == 1 and (self.only_reader(bottoms[0]) is not None or not self.model.readers(bottoms[0]))
        if works and alone and family.allows_in_place and bottoms[0] not in self.model.inputs:
            return self.blobs[bottoms[0]]
        return free_name(layer.name if len(layer.top) == 0 else value.strip("/"), self._tops, "_")

    def _is_normalized(self, value: str) -> bool:
        """Whether the layer before made a value, and is a BatchNorm."""
        before = self.message.layer[-2] if len(self.message.layer) > 1 else None
        return before is not None and before.type == "BatchNorm" and self.blobs[value] in before.top


def blob_of(value: str) -> str:
    """The name of a blob in a file of netdef, whose versions have a number: conv1@1."""
    name, _, version = value.rpartition("@")
    return name if name and version.isdecimal() else value


def _holder(kind: str) -> str:
    from netdef.schema.layer_types import LAYER_TYPES

    return LAYER_TYPES[kind][0]


def _set(message: Any, settings: dict[str, Any]) -> None:
    """Set fields; None leaves one out."""
    for field, value in settings.items():
        if value is None:
            continue
        if isinstance(value, (list, tuple)):
            getattr(message, field).extend(value)
        else:
            setattr(message, field, value)


Rule = Callable[[Node, Layers], None]
READS: dict[str, Rule] = {}


def reads(*kinds: str) -> Callable[[Rule], Rule]:
    """Register the rule of an operator, or of several."""

    def register(rule: Rule) -> Rule:
        for kind in kinds:
            READS[kind] = rule
        return rule

    return register


def net_of(model: Model) -> Layers:
    """The layers and weights of a model.

    Raises
    ------
    NetdefError: with all nodes that no layer computes.
    """
    from importlib import import_module

    for family in ("activations", "arranging", "pooling", "products", "reducing"):
        import_module(f"runtime.exchange.onnx_in.{family}")
    into = Layers(model)
    errors: list[Diagnostic] = []
    for node in model.nodes:
        if node.outputs[0] in into.done:
            continue
        rule = READS.get(node.kind)
        lacking = [name for name in node.inputs if name and name not in model.constants and name not in into.blobs]
        if rule is None:
            errors += model.refused(node, "no layer computes it").diagnostics
        elif not lacking:  # else it reads what an error is about
            try:
                rule(node, into)
            except NetdefError as error:
                errors += error.diagnostics
    if not errors:
        errors += [Diagnostic(f"{model.file}: nothing makes its output {name}") for name in model.outputs if name not in into.blobs]
    if errors:
        raise NetdefError(errors)
    return into
