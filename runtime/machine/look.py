"""Look at the data of a source, for a net whose file leaves to them what its samples are like."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdef.layers.data import located

if TYPE_CHECKING:
    from netdef.graph.data_shapes import SampleShapes
    from netdef.graph.layer import Layer


def look_at_data(layer: Layer) -> SampleShapes | None:
    """The shapes of the first sample; None where the data are not here; raises as `runtime.data.shapes.shapes_in_data`."""
    source = getattr(layer, "source", "")
    if not source or not located(layer, source).exists():
        return None
    from runtime.data.shapes import shapes_in_data  # loads numba

    return shapes_in_data(layer)
