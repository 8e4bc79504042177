"""The recipes that arrays can start with: the names of `weight_filler { type }` and its like."""

from __future__ import annotations

FILLERS = ("constant", "uniform", "gaussian", "xavier", "msra", "positive_unitball", "bilinear")
SPARSE = ("gaussian",)  # those that can leave out most of the weights
