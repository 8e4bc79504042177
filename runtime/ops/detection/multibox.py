"""The loss over prior boxes matched with true ones, hard negatives only (multibox_loss_layer.cpp and bbox_util.cpp of SSD)."""

from __future__ import annotations

from typing import Any

import numpy as np

from netdef.language.diagnostics import NetdefError
from runtime.kernels.cpu.registry import kernel
from runtime.ops.detection.boxes import Boxes, decode, encode, overlaps, suppressed
from runtime.ops.detection.output import highest
from runtime.ops.detection.settings import Matching

FREE, LEFT_OUT = -1, -2  # boxes without a true one: candidates for a negative, and those beyond the image
TOUCHING = 1e-6  # an overlap that is less is none
TINY = np.finfo(np.float32).tiny


@kernel(items=lambda *_: 1, flops=0)
def multibox_loss(
    begin: int, end: int, places: Any, scores: Any, priors: Any, truth: Any, loss: Any, dplaces: Any, dscores: Any,
    matching: Matching,
) -> None:  # fmt: skip
    """loss (1,), and its gradients by places (boxes * places * 4, N) and scores (boxes * classes, N).

    Parameters
    ----------
    priors (2, boxes * 4); truth (rows, 8): image, label, instance, box, difficult; image -1 of a row that is left over.
    """
    m, (corners, variances) = matching, priors.reshape(2, -1, 4)
    if np.isnan(scores).any() or np.isnan(places).any():
        loss[0], dplaces[...], dscores[...] = np.nan, np.nan, np.nan  # a comparison would hide it
        return
    dplaces[...], dscores[...] = 0, 0
    total, matches, images = 0.0, 0, scores.shape[1]
    for image in range(images):
        labels, boxes = true_boxes(truth, image, m)
        moves, chances = places[:, image].reshape(-1, m.places, 4), scores[:, image].reshape(-1, m.classes)
        match, most = matched(labels, boxes, moves, corners, variances, m)
        target = np.where(match >= 0, labels[match] if labels.size else m.background, m.background)
        errors, gradients = class_losses(chances, target, m)
        apart = place_errors(match, target, boxes, moves, corners, variances, m)
        match, negatives = mined(match, most, errors, apart, moves, corners, variances, m)
        positive, (counted,) = match >= 0, np.nonzero((match >= 0) | negatives)
        total += float(errors[counted].sum(dtype=np.float64))
        by_box = dscores[:, image].reshape(-1, m.classes)
        by_box[counted] = gradients[counted]
        dscores[:, image] = by_box.reshape(-1)
        matches += int(positive.sum())
        total += m.weight * float(place_loss(apart[positive], m).sum(dtype=np.float64))
        slopes = (np.clip(apart, -1, 1) if m.smooth else apart) * m.weight / (variances if m.encoded else 1)
        by_place = np.zeros_like(moves)
        of = target if m.places > 1 else np.zeros_like(target)
        by_place[np.nonzero(positive)[0], of[positive]] = slopes[positive]
        dplaces[:, image] = by_place.reshape(-1)
    divisor = {"FULL": images * len(corners), "VALID": matches, "BATCH_SIZE": images, "NONE": 1}[m.normalization]
    divisor = max(1, divisor)
    loss[0], factor = total / divisor, np.float32(1 / divisor)
    dplaces *= factor
    dscores *= factor


def true_boxes(truth: Any, image: int, m: Matching) -> tuple[Any, Boxes]:
    """(labels, boxes) of an image.

    Raises
    ------
    NetdefError: a label is no class, or that of the background.
    """
    mine = truth[(truth[:, 0] == image) & (m.difficult | (truth[:, 7] == 0))]
    labels = mine[:, 1].astype(np.int64)
    classes = m.classes if not m.agnostic else np.iinfo(np.int64).max
    if ((labels < 0) | (labels >= classes) | (labels == m.background)).any():
        raise NetdefError(f"a true box has a label that is no class of {m.classes}, or the background's, {m.background}")
    return (np.full_like(labels, m.background + 1) if m.agnostic else labels), np.ascontiguousarray(mine[:, 3:7])


def matched(labels: Any, boxes: Boxes, moves: Boxes, corners: Boxes, variances: Boxes, m: Matching) -> tuple[Any, Any]:
    """For each prior box the true one that it is matched with, FREE or LEFT_OUT; and its largest overlap with any."""
    own = corners if m.by_priors else decode(moves[:, 0], corners, scale(variances, m), m.code)
    match, most = np.full(len(own), FREE), np.zeros(len(own), np.float32)
    if not labels.size:
        return np.full(len(own), LEFT_OUT), most  # an image without true boxes has no negatives either
    outside = ((own < 0) | (own > 1)).any(axis=1) & m.inside_only
    match[outside] = LEFT_OUT
    shared = overlaps(np.ascontiguousarray(own), boxes)
    shared[outside] = 0
    shared[shared <= TOUCHING] = 0
    most = shared.max(axis=1)
    left = shared.copy()
    while left.any():
        box, true = np.unravel_index(np.argmax(left), left.shape)
        match[box] = true
        left[box], left[:, true] = 0, 0
    if not m.best_only:
        more = (match == FREE) & (most >= np.float32(m.threshold)) & (most > 0)
        match[more] = shared[more].argmax(axis=1)
    return match, most


def scale(variances: Boxes, m: Matching) -> Boxes:
    """What predictions are multiplied by: ones where they are multiples of the variances already."""
    return np.ones_like(variances) if m.encoded else variances


def class_losses(chances: Boxes, target: Any, m: Matching) -> tuple[Any, Boxes]:
    """The loss of each box over its classes, and its gradient."""
    hit = np.zeros_like(chances)
    hit[np.arange(len(target)), np.clip(target, 0, m.classes - 1)] = (target >= 0) & (target < m.classes)
    if not m.softmax:
        above = (chances >= 0).astype(np.float32)
        terms = np.log1p(np.exp(chances - 2 * chances * above)) - chances * (hit - above)
        return terms.sum(axis=1), 1 / (1 + np.exp(-chances)) - hit
    powers = np.exp(chances - chances.max(axis=1, keepdims=True))
    shares = powers / powers.sum(axis=1, keepdims=True)
    return -np.log(np.maximum((shares * hit).sum(axis=1), TINY)), shares - hit


def place_errors(match: Any, target: Any, boxes: Boxes, moves: Boxes, corners: Boxes, variances: Boxes, m: Matching) -> Boxes:
    """(boxes, 4): how far each predicted place is from what its true box asks for; 0 where there is none."""
    apart = np.zeros_like(corners)
    (rows,) = np.nonzero(match >= 0)
    if not rows.size:
        return apart
    wanted = encode(boxes[match[rows]], corners[rows], scale(variances[rows], m), m.code)
    mine = moves[rows, target[rows] if m.places > 1 else 0]
    apart[rows] = (mine - wanted) / (variances[rows] if m.encoded else 1)
    if m.inside_gradient:
        own = corners[rows] if m.by_priors else decode(mine, corners[rows], scale(variances[rows], m), m.code)
        apart[rows] *= (own >= 0) & (own <= 1)
    return apart


def place_loss(apart: Boxes, m: Matching) -> Any:
    """The loss of each box over its place."""
    size = np.abs(apart)
    squares = 0.5 * apart * apart
    return (np.where(size < 1, squares, size - 0.5) if m.smooth else squares).sum(axis=1)


def mined(
    match: Any, most: Any, errors: Any, apart: Boxes, moves: Boxes, corners: Boxes, variances: Boxes, m: Matching
) -> tuple[Any, Any]:
    """The matches that count, and which of the others count as negatives."""
    if m.mining == "NONE":
        return match, match < 0
    hard = m.mining == "HARD_EXAMPLE"
    losses = errors + place_loss(apart, m).astype(np.float32) if hard else errors
    (eligible,) = np.nonzero(hard | (match == FREE) & (most < np.float32(m.least)))
    count = min(m.sample if hard else int((match >= 0).sum() * m.ratio), eligible.size)
    order = eligible[highest(losses[eligible], -np.inf, -1)]
    if m.nms > 0:
        own = corners if m.nms_by_priors else decode(moves[:, 0], corners, scale(variances, m), m.code)
        order = suppressed(np.ascontiguousarray(own), order[: m.top] if m.top > 0 else order, m.nms, 1.0, order.size, False)
    chosen = np.zeros(len(match), bool)
    chosen[order[:count]] = True
    if hard:
        match = np.where((match >= 0) & ~chosen, FREE, match)
    return match, chosen & (match == FREE)
