"""How Accuracy lowers."""

from __future__ import annotations

from netdef.layers.accuracy import Accuracy
from runtime.ir.builder import Builder
from runtime.ops.loss.normalization import ignored_label
from runtime.ops.registry import lowers
from runtime.ops.softmax.lower import along, labels_for


@lowers(Accuracy)
def lower(layer: Accuracy, build: Builder) -> None:
    labels = labels_for(layer, build, layer.axis)
    hits = build.saved(layer, "hits", (labels.size,))
    scores = along(build.bottom(layer, 0), layer.axis)
    build.forward("accuracy_hits", scores, labels, out=hits, top_k=layer.top_k, ignore=ignored_label(layer))
    build.forward("accuracy_mean", hits, out=build.top(layer, 0).view((1,)))
    if len(layer.tops) == 2:
        build.forward("accuracy_per_class", hits, labels, out=build.top(layer, 1))
