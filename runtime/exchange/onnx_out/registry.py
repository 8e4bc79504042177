"""The table of rules: layer type -> the function that writes its nodes."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

from netdef.graph.layer import Layer
from netdef.language.diagnostics import NetdefError
from runtime.exchange.onnx_out.graph import Scope

Rule = TypeVar("Rule", bound=Callable[[Any, Scope], None])
FAMILIES = (
    "activations", "arranging", "boxes", "normalization", "pooling", "products", "recurrent", "regions", "sources", "formulas",
)  # fmt: skip

RULES: dict[str, Callable[[Any, Scope], None]] = {}
LAST_OPSET = {"ROIAlign": 21, "ROIPooling": 21}  # of types for which ONNX Runtime has no kernel of a later one
WHY_NOT = {  # types that run and have no rule
    "BoxAnnotatorOHEM": "it is for training",
    "PSROIPooling": "standard ONNX has no operator for it",
    "Python": "its code is the user's",
}


def writes(*types: str) -> Callable[[Rule], Rule]:
    """Register the rule of one layer type, or of several."""

    def register(rule: Rule) -> Rule:
        for name in types:
            RULES[name] = rule
        return rule

    return register


def load_rules() -> None:
    """Import all families; the last one is for functions of one element that no other has a rule for."""
    for family in FAMILIES:
        import_module(f"runtime.exchange.onnx_out.{family}")


def refused(layer: Layer, why: str, *path: str | int) -> NetdefError:
    """The error of a layer, or of a setting of it, that ONNX cannot express."""
    return layer.error(f"it cannot be exported to ONNX: {why}", *path)


def write_layer(layer: Layer, scope: Scope) -> None:
    """Write the nodes of a layer.

    Raises
    ------
    NetdefError: its type has no rule, or its settings cannot be expressed.
    """
    rule = RULES.get(layer.type)
    if rule is None or not layer.is_sized:
        known = "netdef does not know the shapes of its blobs" if rule else f"no rule writes a {layer.type}"
        raise refused(layer, WHY_NOT.get(layer.type, known), *(() if rule else ("type",)))
    if unread := layer.unread_fields:
        raise refused(layer, f"nothing here reads {', '.join(unread)}")
    last = LAST_OPSET.get(layer.type, scope.opset)
    if scope.opset > last:
        raise refused(layer, f"ONNX Runtime runs its operator up to opset {last} (--opset {last})")
    rule(layer, scope)
