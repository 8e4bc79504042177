"""How the losses lower."""

from __future__ import annotations

from math import prod

from netdef.layers.loss import SoftmaxWithLoss
from runtime.ir.builder import Builder
from runtime.ops.loss.cpu import NO_LABEL
from runtime.ops.registry import lowers
from runtime.ops.softmax.lower import along, labels_for


@lowers(SoftmaxWithLoss, gradients=(0,))
def lower_softmax_loss(layer: SoftmaxWithLoss, build: Builder) -> None:
    axis, scores = layer.axis, build.bottom(layer, 0)
    labels = labels_for(layer, build, axis)
    kept = build.top(layer, 1) if len(layer.tops) == 2 else build.saved(layer, "probability", scores.shape)
    probability, normalizer = along(kept, axis), build.saved(layer, "normalizer", (1,))
    ignore = NO_LABEL if layer.ignore_label is None else layer.ignore_label
    shape = layer.bottoms[0].shape
    divisors = {"FULL": labels.size, "VALID": 0, "BATCH_SIZE": prod(shape[:axis]), "NONE": 1}
    build.forward("softmax_forward", along(scores, axis), out=probability)
    build.forward(
        "softmax_loss", probability, labels, out=(build.top(layer, 0).view((1,)), normalizer),
        divisor=float(divisors[layer.normalization]), ignore=ignore,
    )  # fmt: skip
    if build.needs_gradient(layer, 0):
        dloss = build.top_gradient(layer, 0).view((1,))
        dx = along(build.bottom_gradient(layer, 0), axis)
        build.backward("softmax_loss_backward", probability, labels, normalizer, dloss, out=dx, ignore=ignore, inplace=True)
