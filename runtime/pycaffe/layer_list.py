"""Layers as a script sees them, and the list of their types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdef.graph.layer import LAYERS

if TYPE_CHECKING:
    from netdef.graph.layer import Layer
    from runtime.pycaffe.blob import ParameterBlob
    from runtime.pycaffe.engine import Engine


class LayerView:
    """A layer of a net.

    Attributes
    ----------
    name, type: of it.  blobs: its parameters.
    """

    def __init__(self, layer: Layer, engine: Engine):
        self.name, self.type = layer.name, layer.type
        self.blobs: list[ParameterBlob] = engine.parameters.get(layer.name, [])

    def __repr__(self) -> str:
        return f"<{self.type} {self.name}>"


def layer_type_list() -> list[str]:
    """All layer types."""
    return sorted(LAYERS)
