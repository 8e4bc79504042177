"""ONNX of prior boxes, proposals and detections, for a fixed number of images.

Rows that are left over hold what netdef's kernels put there, so that outputs have the shapes that `netdef shapes` prints.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from netdef.layers.boxes import DETECTION
from netdef.layers.regions import REGION
from runtime.exchange.onnx_out.graph import Scope
from runtime.exchange.onnx_out.registry import refused, writes
from runtime.exchange.onnx_out.sources import FLOAT


@writes("PriorBox")
def prior_box(layer: Any, on: Scope) -> None:
    from runtime.ops.detection.priors import prior_boxes  # of arrays

    on.out("Identity", on.constant(prior_boxes(layer).reshape(layer.tops[0].shape), "boxes"))


@writes("DetectionOutput")
def detection_output(layer: Any, on: Scope) -> None:
    p, images, count = layer.p, layer.bottoms[0].shape[0], layer.bottoms[2].shape[2] // 4
    _check_suppression(layer, p.nms_param.nms_threshold, "nms_param", "nms_threshold")
    if p.nms_param.eta != 1:
        raise refused(layer, "NonMaxSuppression has no eta", "nms_param", "eta")
    if p.keep_top_k == 0:
        raise refused(layer, "keep_top_k 0 leaves no detections", "keep_top_k")
    boxes = _decoded(layer, on, images, count)
    scores = on.reshaped(on.inputs[1], images, count, layer.num_classes)
    rows = [_detections(layer, on, image, boxes, scores, count) for image in range(images)]
    wanted = layer.tops[0].shape[2]
    filler, nothing = np.full((wanted, DETECTION), -1, np.float32), np.full((wanted, DETECTION), -1, np.float32)
    nothing[:images, 0] = np.arange(images)[:wanted]
    found = on.op("Concat", *rows, axis=0) if len(rows) > 1 else rows[0]
    none = on.op("Equal", on.sliced(on.op("Shape", found), [0], [1], [0]), on.whole(0, form="none"))
    rest = on.op("Where", none, on.constant(nothing, "nothing"), on.constant(filler, "filler"))
    whole = on.sliced(on.op("Concat", found, rest, axis=0), [0], [wanted], [0])
    on.out("Reshape", whole, on.whole(*layer.tops[0].shape, form="shape"))


def _check_suppression(layer: Any, threshold: float, *path: str) -> None:
    """Raises NetdefError for an overlap that NonMaxSuppression does not take."""
    if not 0 <= threshold <= 1:
        raise refused(layer, f"NonMaxSuppression takes an overlap from 0 to 1, not {threshold:g}", *path)


def _decoded(layer: Any, on: Scope, images: int, count: int) -> str:
    """The boxes that the predictions mean, (images, boxes, places, 4)."""
    both = on.reshaped(on.inputs[2], 2, count, 1, 4)
    priors, variances = (on.op("Squeeze", on.sliced(both, [i], [i + 1], [0]), on.whole(0, form="axes")) for i in range(2))
    moves = on.reshaped(on.inputs[0], images, count, layer.places, 4)
    if not layer.p.variance_encoded_in_target:
        moves = on.op("Mul", moves, variances)
    if layer.code_type == "CORNER":
        return on.op("Add", priors, moves)
    low, high = _halves(on, priors)
    side, centre = on.op("Sub", high, low), on.scaled(on.op("Add", low, high), 0.5, "half")
    if layer.code_type == "CORNER_SIZE":
        return on.op("Add", priors, on.op("Mul", moves, on.op("Concat", side, side, axis=-1)))
    return _centred(on, moves, side, centre)


def _halves(on: Scope, boxes: str) -> tuple[str, str]:
    """The first two and the last two numbers of boxes."""
    return on.sliced(boxes, [0], [2], [-1]), on.sliced(boxes, [2], [4], [-1])


def _centred(on: Scope, moves: str, side: str, centre: str) -> str:
    """Boxes whose centre is moved and whose sides are multiplied."""
    by, factor = _halves(on, moves)
    middle = on.op("Add", on.op("Mul", by, side), centre)
    half = on.scaled(on.op("Mul", on.op("Exp", factor), side), 0.5, "half")
    return on.op("Concat", on.op("Sub", middle, half), on.op("Add", middle, half), axis=-1)


def _detections(layer: Any, on: Scope, image: int, boxes: str, scores: str, count: int) -> str:
    """The detections of an image, (number, 7): label after label, the highest score first."""
    p = layer.p
    labels = np.array([label for label in range(layer.num_classes) if label != p.background_label_id])
    most = min(p.nms_param.top_k, count) if p.nms_param.HasField("top_k") and p.nms_param.top_k >= 0 else count
    chances = on.op("Transpose", _image(on, scores, image), perm=(1, 0))
    chances = on.op("Gather", chances, on.constant(labels, "labels"), axis=0)
    best, at = on.op("TopK", chances, on.whole(most, form="k"), outputs=2, axis=1)
    mine = _image(on, boxes, image)
    if layer.places == 1:
        candidates = on.op("Gather", on.reshaped(mine, count, 4), at, axis=0)
    else:
        mine = on.op("Gather", on.op("Transpose", mine, perm=(1, 0, 2)), on.constant(labels, "labels"), axis=0)
        spread = on.op("Expand", on.reshaped(at, len(labels), most, 1), on.whole(len(labels), most, 4, form="shape"))
        candidates = on.op("GatherElements", mine, spread, axis=1)
    least = on.constant(np.float32(p.confidence_threshold), "least") if p.HasField("confidence_threshold") else None
    chosen = _suppressed(on, candidates, on.reshaped(best, len(labels), 1, most), most, p.nms_param.nms_threshold, least)
    where = on.op("Gather", chosen, on.constant(np.array([0, 2]), "columns"), axis=1)
    score, box = on.op("GatherND", best, where), on.op("GatherND", candidates, where)
    label = on.op("Gather", on.constant(labels.astype(np.float32), "names"), on.reshaped(on.sliced(chosen, [0], [1], [1]), -1))
    score, label = on.reshaped(score, -1, 1), on.reshaped(label, -1, 1)
    number = on.op("Add", on.scaled(label, 0, "none"), on.constant(np.float32(image), "image"))
    rows = on.op("Concat", number, label, score, box, axis=1)
    if p.keep_top_k < 0:
        return rows
    flat = on.reshaped(score, -1)
    keep = on.op("Min", on.op("Shape", flat), on.whole(p.keep_top_k, form="keep"))
    _, ranks = on.op("TopK", flat, keep, outputs=2)
    order, _ = on.op("TopK", ranks, keep, outputs=2, largest=0)
    return on.op("Gather", rows, order, axis=0)


def _image(on: Scope, x: str, image: int) -> str:
    """One image, without its axis."""
    return on.op("Gather", x, on.constant(np.int64(image), "image"), axis=0)


def _suppressed(on: Scope, boxes: str, scores: str, most: int, overlap: float, least: str | None = None) -> str:
    """(class, 0, box) of those that overlap none before them, from boxes (classes, count, 4), scores (classes, 1, count)."""
    limits = on.whole(most, form="most"), on.constant(np.float32(overlap), "overlap")
    return on.op("NonMaxSuppression", boxes, scores, *limits, least)


@writes("Proposal")
def proposal(layer: Any, on: Scope) -> None:
    p, (images, _, rows, columns) = layer.p, layer.bottoms[0].shape
    _check_suppression(layer, p.nms_thresh, "nms_thresh")
    count = rows * columns * layer.anchors
    chances = on.reshaped(on.op("Transpose", _foreground(layer, on), perm=(0, 2, 3, 1)), images, count)
    moves = on.reshaped(on.inputs[1], images, layer.anchors, 4, rows, columns)
    moves = on.reshaped(on.op("Transpose", moves, perm=(0, 3, 4, 1, 2)), images, count, 4)
    boxes = _placed(layer, on, moves, rows, columns)
    found = [_regions(layer, on, image, _image(on, boxes, image), _image(on, chances, image)) for image in range(images)]
    filler = np.array([[-1, 0, 0, 0, 0, 0]] * layer.tops[0].shape[0], np.float32)
    whole = on.op("Concat", *found, on.constant(filler, "filler"), axis=0)
    whole = on.sliced(whole, [0], [layer.tops[0].shape[0]], [0])
    on.out("Slice", whole, *on.bounds([0], [REGION], [1]))
    if len(layer.tops) == 2:
        on.out("Slice", whole, *on.bounds([REGION], [REGION + 1], [1]), top=1)


def _foreground(layer: Any, on: Scope) -> str:
    """The scores of the anchors."""
    return on.sliced(on.x, [layer.anchors], [2 * layer.anchors], [1])


def _placed(layer: Any, on: Scope, moves: str, rows: int, columns: int) -> str:
    """The anchors of all pixels, moved as predicted, (images, boxes, 4)."""
    from runtime.ops.detection.priors import anchors  # of arrays

    stride = layer.p.feat_stride
    x, y = np.meshgrid(np.arange(columns, dtype=np.float32) * stride, np.arange(rows, dtype=np.float32) * stride)
    boxes = (np.stack([x, y, x, y], axis=-1)[:, :, None] + anchors(layer)).reshape(-1, 4)
    sides = boxes[:, 2:] - boxes[:, :2] + 1
    return _centred(on, moves, on.constant(sides, "sides"), on.constant(boxes[:, :2] + sides / 2, "centres"))


def _regions(layer: Any, on: Scope, image: int, boxes: str, chances: str) -> str:
    """(image, box, score) of an image's regions, (number, 6)."""
    p, info = layer.p, layer.bottoms[2].shape
    facts = on.reshaped(_image(on, on.reshaped(on.inputs[2], info[0], -1), image), -1)
    picked = [on.op("Gather", facts, on.constant(np.array(at), "at")) for at in ([1, 0, 1, 0], [3, 2] if info[-1] > 3 else [2, 2])]
    one, none = on.constant(np.float32(1), "one"), on.constant(np.float32(0), "zero")
    boxes = on.op("Max", on.op("Min", boxes, on.op("Sub", picked[0], one)), none)
    low, high = _halves(on, boxes)
    sides = on.op("Add", on.op("Sub", high, low), one)
    large = on.op("Cast", on.op("GreaterOrEqual", sides, on.scaled(picked[1], p.min_size, "least")), to=FLOAT)
    both = on.op("Greater", on.summed(large, 1, keep=False), on.constant(np.float32(1.5), "both"))
    boxes, chances = on.op("Compress", boxes, both, axis=0), on.op("Compress", chances, both, axis=0)
    before = on.op("Shape", chances)
    if p.pre_nms_topn > 0:
        before = on.op("Min", before, on.whole(p.pre_nms_topn, form="before"))
    best, order = on.op("TopK", chances, before, outputs=2)
    boxes = on.op("Gather", boxes, order, axis=0)
    low, high = _halves(on, boxes)  # a box from pixel 3 to 3 is one pixel wide
    wide = on.op("Unsqueeze", on.op("Concat", low, on.op("Add", high, one), axis=1), on.whole(0, form="axes"))
    chosen = _suppressed(on, wide, on.reshaped(best, 1, 1, -1), p.post_nms_topn, p.nms_thresh)
    kept = on.reshaped(on.sliced(chosen, [2], [3], [1]), -1)
    score = on.reshaped(on.op("Gather", best, kept), -1, 1)
    number = on.op("Add", on.scaled(score, 0, "none"), on.constant(np.float32(image), "image"))
    return on.op("Concat", number, on.op("Gather", boxes, kept, axis=0), score, axis=1)
