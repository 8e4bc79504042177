"""Field 13 of PoolingParameter in binary files: round_mode of Caffe 1.0 (0 CEIL, 1 FLOOR), or ceil_mode of forks (1 CEIL, 0 FLOOR).

A file says neither which. Both are CEIL by default, and of 189 public nets that set one of them none sets the default: a 0 is taken
for `ceil_mode: false`, a 1 for `round_mode: FLOOR`. (Numbers from caffe.proto of choasup/caffe-yolo9000 and makefile/frcnn.)
"""

from __future__ import annotations

from typing import Any


def read_rounding(net: Any) -> str:
    """Move a 0 of field 13 to ceil_mode in the pooling layers of a binary file; what is to be said of it, or ""."""
    layers = [one for one in (*net.layer, *net.layers) if one.pooling_param.HasField("round_mode")]
    floors = [one for one in layers if one.pooling_param.round_mode == one.pooling_param.CEIL]
    if not floors:
        return ""
    where = f"field 13 of pooling layer {floors[0].name}" + (f" and {len(floors) - 1} more" if len(floors) > 1 else "")
    if len(floors) < len(layers):
        return f"{where} is 0, of others 1: read as round_mode of Caffe 1.0, CEIL and FLOOR; ceil_mode of a fork means the opposite"
    for one in floors:
        one.pooling_param.ClearField("round_mode")
        one.pooling_param.ceil_mode = False
    return f"{where} is 0: read as ceil_mode: false, of forks; round_mode of Caffe 1.0 would be CEIL, its default"


def leave_out_ceil(layer: Any) -> None:
    """Leave a `round_mode: CEIL`, which is the default, out of a layer to be written in binary: forks would read a 0 as FLOOR."""
    if layer.HasField("pooling_param") and layer.pooling_param.round_mode == layer.pooling_param.CEIL:
        layer.pooling_param.ClearField("round_mode")
