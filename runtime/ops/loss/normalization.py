"""What losses and accuracies leave out, and what a loss's sum is divided by."""

from __future__ import annotations

from netdef.graph.layer import Layer
from netdef.layers.loss import Normalized

NO_LABEL = -(1 << 31)  # stands for "ignore no label"


def ignored_label(layer: Layer) -> int:
    """The label that a layer leaves out, NO_LABEL if there is none."""
    return NO_LABEL if layer.ignore_label is None else layer.ignore_label


def divisor_of(layer: Normalized, terms: int, samples: int) -> float:
    """What a sum of so many terms, of so many samples, is divided by; 0 for the number of terms that are not ignored."""
    if layer.normalization == "PRE_FIXED":
        return max(1.0, layer.message.loss_param.pre_fixed_normalizer)  # as in R-FCN
    return {"FULL": terms, "VALID": 0, "BATCH_SIZE": samples, "NONE": 1}[layer.normalization]
