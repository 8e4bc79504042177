"""Look at the data of a source, for a net whose file leaves to them what its samples are like."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from netdef.graph.reach import remark_on_reach
from netdef.language.diagnostics import NetdefError
from netdef.layers.data import located

if TYPE_CHECKING:
    from netdef.graph.data_shapes import SampleShapes
    from netdef.graph.layer import Layer


def look_at_data(layer: Layer) -> SampleShapes | None:
    """The shapes of the first sample, for a net that is to run; None for a layer that names no data.

    Raises
    ------
    NetdefError: they are not there, or as `runtime.data.shapes.shapes_in_data`.
    """
    source = getattr(layer, "source", "")
    if source and not os.path.exists(located(layer, source)):
        raise NetdefError(f"there is no {source}")
    return look_where_here(layer)


def look_where_here(layer: Layer) -> SampleShapes | None:
    """The same for a net that is only looked at: None where the data are not here."""
    source = getattr(layer, "source", "")
    if not source or not os.path.exists(located(layer, source)):
        return None
    remark_on_reach(layer)
    from runtime.data.shapes import shapes_in_data  # loads numba

    return shapes_in_data(layer)
