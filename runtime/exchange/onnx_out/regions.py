"""ONNX of pooling over regions."""

from __future__ import annotations

from typing import Any

import numpy as np

from runtime.exchange.onnx_out.graph import Scope
from runtime.exchange.onnx_out.registry import writes
from runtime.exchange.onnx_out.sources import FLOAT, INT64


@writes("ROIPooling")
def roi_pooling(layer: Any, on: Scope) -> None:
    regions = on.reshaped(on.inputs[1], -1, 5)
    kind = {"pooled_shape": layer.grid, "spatial_scale": layer.spatial_scale}
    if layer.bottoms[1].producer.is_source:
        on.out("MaxRoiPool", on.x, regions, **kind)
        return
    inside, there = _first_image_for_none(on, regions)
    on.out("Mul", on.op("MaxRoiPool", on.x, inside, **kind), there)


@writes("ROIAlign")
def roi_align(layer: Any, on: Scope) -> None:
    regions = on.reshaped(on.inputs[1], -1, 5)
    inside, there = _first_image_for_none(on, regions)
    images = on.op("Cast", on.reshaped(on.sliced(inside, [0], [1], [1]), -1), to=INT64)
    rows, columns = layer.grid
    kind: dict[str, Any] = {"output_height": rows, "output_width": columns, "spatial_scale": layer.spatial_scale, "mode": "avg"}
    if on.opset >= 16:
        kind["coordinate_transformation_mode"] = "output_half_pixel"
    pooled = [on.x, on.sliced(inside, [1], [5], [1]), images]
    kind["sampling_ratio"] = max(layer.sampling_ratio, 0)
    if layer.bottoms[1].producer.is_source:
        on.out("RoiAlign", *pooled, **kind)
    else:
        on.out("Mul", on.op("RoiAlign", *pooled, **kind), there)


def _first_image_for_none(on: Scope, regions: str) -> tuple[str, str]:
    """Regions whose image is not below 0, and 0 for each that had such an image, else 1, to be broadcast over its outputs."""
    zero = on.constant(np.float32(0), "zero")
    image, corners = on.sliced(regions, [0], [1], [1]), on.sliced(regions, [1], [5], [1])
    inside = on.op("Concat", on.op("Max", image, zero), corners, axis=1)
    there = on.op("Cast", on.op("GreaterOrEqual", image, zero), to=FLOAT)
    return inside, on.reshaped(there, -1, 1, 1, 1)
