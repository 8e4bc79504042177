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
        errors, gradients = class_losses(chances, wanted_classes(match, labels, m), m)
        apart = place_errors(match, boxes, moves, corners, variances, m)
        match, negatives = mined(match, most, errors, apart, moves, corners, variances, m)
        positive = match >= 0
        (counted,) = np.nonzero(positive.any(axis=1) | negatives)
        total += float(errors[counted].sum(dtype=np.float64))
        by_box = dscores[:, image].reshape(-1, m.classes)
        by_box[counted] = gradients[counted]
        dscores[:, image] = by_box.reshape(-1)
        matches += int(positive.sum())
        total += m.weight * float(place_loss(apart[positive], m).sum(dtype=np.float64))
        slopes = (np.clip(apart, -1, 1) if m.smooth else apart) * m.weight / (variances[:, None] if m.encoded else 1)
        dplaces[:, image] = np.where(positive[..., None], slopes, 0).reshape(-1)
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
    """Match true boxes with prior boxes, or with those that were predicted, of each class where classes have places of their own.

    Returns
    -------
    match (boxes, places): the true box of each, FREE or LEFT_OUT.  most (boxes,): its largest overlap with any.
    """
    count = len(corners)
    if not labels.size:
        return np.full((count, m.places), LEFT_OUT), np.zeros(count, np.float32)  # an image without true boxes has no negatives
    if m.places == 1 or m.by_priors:
        own = corners if m.by_priors else decode(moves[:, 0], corners, scale(variances, m), m.code)
        one, most = pairs(own, boxes, m)
        if m.places == 1:
            return one[:, None], most
        match, (found,) = np.full((count, m.places), FREE), np.nonzero(one >= 0)
        match[found, labels[one[found]]] = one[found]
        return match, most
    match, most = np.full((count, m.places), FREE), np.zeros(count, np.float32)
    for label in np.unique(labels):
        (mine,) = np.nonzero(labels == label)
        own = decode(moves[:, label], corners, scale(variances, m), m.code)
        one, shared = pairs(own, np.ascontiguousarray(boxes[mine]), m)
        match[:, label] = np.where(one >= 0, mine[np.maximum(one, 0)], one)
        most = np.maximum(most, shared)
    return match, most


def pairs(own: Boxes, boxes: Boxes, m: Matching) -> tuple[Any, Any]:
    """For each of the boxes `own` the true one that it is matched with, FREE or LEFT_OUT; and its largest overlap with any."""
    match = np.full(len(own), FREE)
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


def wanted_classes(match: Any, labels: Any, m: Matching) -> Boxes:
    """(boxes, classes): 1 for the classes of a box, else 0.

    They are those of its true boxes, under SOFTMAX only the last; the background's where it has none, but under LOGISTIC only if
    negatives are mined.
    """
    hit = np.zeros((len(match), m.classes), np.float32)
    rows, columns = np.nonzero(match >= 0)
    if 0 <= m.background < m.classes and (m.softmax or m.mining != "NONE"):
        free = np.ones(len(match), bool)
        free[rows] = False
        hit[free, m.background] = 1
    if rows.size:
        found = labels[match[rows, columns]]
        if m.softmax:
            last = np.full(len(match), -1)
            np.maximum.at(last, rows, found)
            found = last[rows]
        known = found < m.classes
        hit[rows[known], found[known]] = 1
    return hit


def class_losses(chances: Boxes, hit: Boxes, m: Matching) -> tuple[Any, Boxes]:
    """The loss of each box over its classes, and its gradient."""
    if not m.softmax:
        above = (chances >= 0).astype(np.float32)
        terms = np.log1p(np.exp(chances - 2 * chances * above)) - chances * (hit - above)
        return terms.sum(axis=1), 1 / (1 + np.exp(-chances)) - hit
    powers = np.exp(chances - chances.max(axis=1, keepdims=True))
    shares = powers / powers.sum(axis=1, keepdims=True)
    return -np.log(np.maximum((shares * hit).sum(axis=1), TINY)), shares - hit


def place_errors(match: Any, boxes: Boxes, moves: Boxes, corners: Boxes, variances: Boxes, m: Matching) -> Boxes:
    """(boxes, places, 4): how far each predicted place is from what its true box asks for; 0 where there is none."""
    apart = np.zeros_like(moves)
    rows, columns = np.nonzero(match >= 0)
    if not rows.size:
        return apart
    wanted = encode(boxes[match[rows, columns]], corners[rows], scale(variances[rows], m), m.code)
    mine = moves[rows, columns]
    distance = (mine - wanted) / (variances[rows] if m.encoded else 1)
    if m.inside_gradient:
        own = corners[rows] if m.by_priors else decode(mine, corners[rows], scale(variances[rows], m), m.code)
        distance *= (own >= 0) & (own <= 1)
    apart[rows, columns] = distance
    return apart


def place_loss(apart: Boxes, m: Matching) -> Any:
    """The loss of each box over its place."""
    size = np.abs(apart)
    squares = 0.5 * apart * apart
    return (np.where(size < 1, squares, size - 0.5) if m.smooth else squares).sum(axis=1)


def mined(
    match: Any, most: Any, errors: Any, apart: Boxes, moves: Boxes, corners: Boxes, variances: Boxes, m: Matching
) -> tuple[Any, Any]:
    """The matches (boxes, places) that count, and which of the other boxes count as negatives."""
    if m.mining == "NONE":
        return match, (match < 0).all(axis=1)
    one, hard = match[:, 0], m.mining == "HARD_EXAMPLE"  # mining takes places that all classes share
    losses = errors + place_loss(apart[:, 0], m).astype(np.float32) if hard else errors
    (eligible,) = np.nonzero(hard | (one == FREE) & (most < np.float32(m.least)))
    count = min(m.sample if hard else int((one >= 0).sum() * m.ratio), eligible.size)
    order = eligible[highest(losses[eligible], -np.inf, -1)]
    if m.nms > 0:
        own = corners if m.nms_by_priors else decode(moves[:, 0], corners, scale(variances, m), m.code)
        order = suppressed(np.ascontiguousarray(own), order[: m.top] if m.top > 0 else order, m.nms, 1.0, order.size, False)
    chosen = np.zeros(len(one), bool)
    chosen[order[:count]] = True
    if hard:
        one = np.where((one >= 0) & ~chosen, FREE, one)
    return one[:, None], chosen & (one == FREE)
