"""All layer types by name: what each computes, the shapes of its tops, its parameters and its costs.

One file a family; runtime/ops has a room a family for how each runs.
"""

from netdef.graph.layer import LAYERS, Layer
from netdef.layers import (
    accuracy,
    concat,
    convolution,
    data,
    dropout,
    elementwise,
    eltwise,
    inner_product,
    input,
    loss,
    lrn,
    normalize,
    pooling,
    python,
    recurrent,
    reduction,
    reshape,
    scale,
    select,
    sink,
    softmax,
)

__all__ = [
    "LAYERS",
    "Layer",
    "accuracy",
    "concat",
    "convolution",
    "data",
    "dropout",
    "elementwise",
    "eltwise",
    "inner_product",
    "input",
    "loss",
    "lrn",
    "normalize",
    "pooling",
    "python",
    "recurrent",
    "reduction",
    "reshape",
    "scale",
    "select",
    "sink",
    "softmax",
]
