"""Every layer type by its name: what it computes, the shapes it makes, what it learns and what it costs.

One file per family; runtime/layers has the same file names for how each runs.
"""

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
    relu,
    reshape,
    scale,
    select,
    sink,
    softmax,
)
from netdef.layers.base import LAYERS, Layer

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
    "relu",
    "reshape",
    "scale",
    "select",
    "sink",
    "softmax",
]
