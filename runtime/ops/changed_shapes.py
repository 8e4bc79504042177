"""What a layer raises whose tops have other shapes in a run than the program was compiled for; the executable follows it."""

from __future__ import annotations

from netdef.graph.layer import Layer
from netdef.language.diagnostics import NetdefError


class ShapesChangedError(NetdefError):
    """A top has another shape than the net was compiled for.

    Parameters
    ----------
    layer: whose.
    index: of the top.
    text: the message.
    images: how many the tops have now, of a layer that keeps some; None: the layer itself knows their shapes.
    """

    def __init__(self, layer: Layer, index: int, text: str, images: int | None = None):
        super().__init__(layer.error(text, "top", index).diagnostics)
        self.layer, self.images = layer, images
