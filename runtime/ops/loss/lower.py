"""How the losses lower."""

from __future__ import annotations

from math import prod
from typing import Any

from netdef.graph.reach import remark_on_reach
from netdef.graph.shape import images
from netdef.layers.hard_examples import BoxAnnotatorOHEM, SmoothL1Loss, SmoothL1LossOHEM, SoftmaxWithLossOHEM
from netdef.layers.loss import (
    ContrastiveLoss,
    EuclideanLoss,
    HingeLoss,
    InfogainLoss,
    Loss,
    MultinomialLogisticLoss,
    SigmoidCrossEntropyLoss,
    SoftmaxWithLoss,
)
from runtime.ir.builder import Builder
from runtime.ir.program import Buffer
from runtime.ir.runs import element_runs, label_runs
from runtime.ops.loss.normalization import divisor_of, ignored_label
from runtime.ops.registry import lowers
from runtime.ops.softmax.lower import along, labels_for


@lowers(SoftmaxWithLoss)
def lower_softmax_loss(layer: SoftmaxWithLoss, build: Builder) -> None:
    axis, scores = layer.axis, build.bottom(layer, 0)
    labels = labels_for(layer, build, axis)
    kept = build.top(layer, 1) if len(layer.tops) >= 2 else build.saved(layer, "probability", scores.shape)
    probability, normalizer = along(kept, axis), build.saved(layer, "normalizer", (1,))
    ignore, divisor = ignored_label(layer), divisor_of(layer, labels.size, prod(layer.bottoms[0].shape[:axis]))
    build.forward("softmax_forward", along(scores, axis), out=probability)
    build.forward(
        "softmax_loss", probability, labels, out=(build.top(layer, 0).view((1,)), normalizer),
        divisor=float(divisor), ignore=ignore,
    )  # fmt: skip
    if build.needs_gradient(layer, 0):
        dloss = build.top_gradient(layer, 0).view((1,))
        dx = along(build.bottom_gradient(layer, 0), axis)
        build.backward("softmax_loss_backward", probability, labels, normalizer, dloss, out=dx, ignore=ignore, inplace=True)


def _sum(
    layer: Loss, build: Builder, terms: str, inputs: tuple[Buffer, ...], runs: int, divisor: float, *, factor: float = 1.0,
    extra: tuple[Buffer, ...] = (), **constants: Any,
) -> Buffer:  # fmt: skip
    """Write the loss: the kernel `terms` makes a sum and a count of each run of elements; returns what divides the loss.

    Parameters
    ----------
    divisor: the number that divides; 0 for the count.
    factor: of the loss.
    extra, constants: further outputs of `terms`, and its constants.
    """
    partials, normalizer = build.saved(layer, "partials", (runs, 2), "float64"), build.saved(layer, "normalizer", (1,))
    build.forward(terms, *inputs, out=(partials, *extra), **constants)
    loss = build.top(layer, 0).view((1,))
    build.forward("loss_of_terms", partials, out=(loss, normalizer), divisor=float(divisor), factor=factor)
    return normalizer


def _dloss(layer: Loss, build: Builder) -> Buffer:
    return build.top_gradient(layer, 0).view((1,))


@lowers(EuclideanLoss)
def lower_euclidean(layer: EuclideanLoss, build: Builder) -> None:
    a, b = build.bottom(layer, 0).flat(), build.bottom(layer, 1).flat()
    normalizer = _sum(layer, build, "euclidean_terms", (a, b), element_runs(a.size), layer.bottoms[0].shape[0], factor=0.5)
    for index, sign in ((0, 1.0), (1, -1.0)):
        if build.needs_gradient(layer, index):
            dx = build.bottom_gradient(layer, index).flat()
            build.backward("euclidean_backward", a, b, _dloss(layer, build), normalizer, out=dx, sign=sign)


@lowers(SigmoidCrossEntropyLoss)
def lower_sigmoid_cross_entropy(layer: SigmoidCrossEntropyLoss, build: Builder) -> None:
    x, t, ignore = build.bottom(layer, 0).flat(), build.bottom(layer, 1).flat(), ignored_label(layer)
    divisor = divisor_of(layer, x.size, layer.bottoms[0].shape[0])
    normalizer = _sum(layer, build, "sigmoid_cross_entropy_terms", (x, t), element_runs(x.size), divisor, ignore=ignore)
    if build.needs_gradient(layer, 0):
        dx = build.bottom_gradient(layer, 0).flat()
        build.backward("sigmoid_cross_entropy_backward", x, t, _dloss(layer, build), normalizer, out=dx, ignore=ignore)


@lowers(HingeLoss)
def lower_hinge(layer: HingeLoss, build: Builder) -> None:
    images = layer.bottoms[0].shape[0]
    scores, labels = build.bottom(layer, 0).columns(images), build.bottom(layer, 1).flat()
    square = layer.norm == "L2"
    normalizer = _sum(layer, build, "hinge_terms", (scores, labels), element_runs(scores.size), images, square=square)
    if build.needs_gradient(layer, 0):
        dx = build.bottom_gradient(layer, 0).columns(images)
        build.backward("hinge_backward", scores, labels, _dloss(layer, build), normalizer, out=dx, square=square)


@lowers(MultinomialLogisticLoss)
def lower_multinomial(layer: MultinomialLogisticLoss, build: Builder) -> None:
    images = layer.bottoms[0].shape[0]
    probabilities, labels = build.bottom(layer, 0).columns(images), build.bottom(layer, 1).flat()
    normalizer = _sum(layer, build, "likelihood_terms", (probabilities, labels), label_runs(images), images)
    if build.needs_gradient(layer, 0):
        dx = build.bottom_gradient(layer, 0).columns(images)
        build.backward("likelihood_backward", probabilities, labels, _dloss(layer, build), normalizer, out=dx)


@lowers(InfogainLoss)
def lower_infogain(layer: InfogainLoss, build: Builder) -> None:
    axis, scores, labels = layer.axis, build.bottom(layer, 0), labels_for(layer, build, layer.axis)
    kept = build.top(layer, 1) if len(layer.tops) == 2 else build.saved(layer, "probability", scores.shape)
    probabilities, matrix, ignore = along(kept, axis), _matrix(layer, build), ignored_label(layer)
    divisor = divisor_of(layer, labels.size, prod(layer.bottoms[0].shape[:axis]))
    build.forward("softmax_forward", along(scores, axis), out=probabilities)
    normalizer = _sum(
        layer, build, "infogain_terms", (probabilities, labels, matrix), label_runs(labels.size), divisor, ignore=ignore
    )
    if build.needs_gradient(layer, 0):
        dx, dloss = along(build.bottom_gradient(layer, 0), axis), _dloss(layer, build)
        build.backward("infogain_backward", probabilities, labels, matrix, dloss, normalizer, out=dx, ignore=ignore)


def _matrix(layer: InfogainLoss, build: Builder) -> Buffer:
    """H (classes, classes): the third bottom, or what the file `source` holds."""
    shape = (layer.classes, layer.classes)
    if len(layer.bottoms) == 3:
        given = build.bottom(layer, 2)
        images = layer.bottoms[2].shape[0]
        if images == 1:
            return given.view(shape)
        ordered = build.saved(layer, "matrix", (given.size, 1))
        build.forward("rebatch", given.columns(images), out=ordered)
        return ordered.view(shape)
    from runtime.data.mean import read_array  # of files
    from runtime.data.settings import find

    remark_on_reach(layer)
    path = find(layer, layer.p.source, "source")
    try:
        values = read_array(path)
    except ValueError as error:
        raise layer.error(str(error), "source") from None
    if values.size != layer.classes**2:
        text = f"{layer.p.source} holds {values.size} numbers, {layer.classes} classes need a matrix of {layer.classes**2}"
        raise layer.error(text, "source")
    matrix = build.saved(layer, "matrix", shape)
    build.forward("constant", out=matrix, values=values.reshape(shape))
    return matrix


@lowers(ContrastiveLoss)
def lower_contrastive(layer: ContrastiveLoss, build: Builder) -> None:
    images = layer.bottoms[0].shape[0]
    a, b = (build.bottom(layer, index).columns(images) for index in (0, 1))
    alike, squares = build.bottom(layer, 2).flat(), build.saved(layer, "squares", (images,))
    form = {"margin": layer.margin, "legacy": layer.legacy_version}
    normalizer = _sum(
        layer, build, "contrastive_terms", (a, b, alike), label_runs(images), images, factor=0.5, extra=(squares,), **form
    )
    for index, sign in ((0, 1.0), (1, -1.0)):
        if build.needs_gradient(layer, index):
            dx = build.bottom_gradient(layer, index).columns(images)
            given = a, b, alike, squares, _dloss(layer, build), normalizer
            build.backward("contrastive_backward", *given, out=dx, sign=sign, **form)


@lowers(SmoothL1Loss)
def lower_smooth_l1(layer: SmoothL1Loss, build: Builder) -> None:
    a, b, *weights = (build.bottom(layer, index).flat() for index in range(len(layer.bottoms)))
    inside, outside = [*weights, a, a][:2]
    form: dict[str, Any] = {"square": layer.sigma**2, "has_inside": len(weights) > 0, "has_outside": len(weights) > 1}
    inputs, images = (a, b, inside, outside), layer.bottoms[0].shape[0]
    normalizer = _sum(layer, build, "smooth_l1_terms", inputs, element_runs(a.size), images, **form)
    for index, sign in ((0, 1.0), (1, -1.0)):
        if build.needs_gradient(layer, index):
            dx = build.bottom_gradient(layer, index).flat()
            build.backward("smooth_l1_backward", *inputs, _dloss(layer, build), normalizer, out=dx, **form, sign=sign)


@lowers(SoftmaxWithLossOHEM)
def lower_softmax_loss_of_each(layer: SoftmaxWithLossOHEM, build: Builder) -> None:
    lower_softmax_loss(layer, build)
    if len(layer.tops) == 3:
        labels = labels_for(layer, build, layer.axis)
        if labels.shape != build.bottom(layer, 1).flat().shape or images(layer.bottoms[1].shape) != images(layer.bottoms[0].shape):
            raise layer.error("the loss of each prediction is computed where labels are as many images as scores", "bottom", 1)
        probability, each = along(build.top(layer, 1), layer.axis), build.top(layer, 2).flat()
        build.forward("prediction_losses", probability, labels, out=each, ignore=ignored_label(layer))


@lowers(SmoothL1LossOHEM)
def lower_smooth_l1_of_each(layer: SmoothL1LossOHEM, build: Builder) -> None:
    blobs = [build.bottom(layer, index) for index in range(len(layer.bottoms))]
    a, b, inside = (*(blob.flat() for blob in blobs), blobs[0].flat())[:3]
    weighted, shape = len(blobs) == 3, layer.bottoms[0].shape
    regions = prod((shape[0], *shape[2:]))
    form: dict[str, Any] = {"square": 1.0, "has_inside": weighted, "has_outside": False}
    inputs = (a, b, inside, a)
    divisor = divisor_of(layer, regions, shape[0]) or regions  # none is ignored
    normalizer = _sum(layer, build, "smooth_l1_terms", inputs, element_runs(a.size), divisor, **form)
    if len(layer.tops) == 2:
        rows = [buffer.view((shape[1], regions)) for buffer in (a, b, inside)]
        build.forward("region_losses", *rows, out=build.top(layer, 1).flat(), has_inside=weighted)
    for index, sign in ((0, 1.0), (1, -1.0)):
        if build.needs_gradient(layer, index):
            dx = build.bottom_gradient(layer, index).flat()
            build.backward("smooth_l1_backward", *inputs, _dloss(layer, build), normalizer, out=dx, **form, sign=sign)


@lowers(BoxAnnotatorOHEM)
def lower_box_annotator(layer: BoxAnnotatorOHEM, build: Builder) -> None:
    count = layer.bottoms[1].count  # of regions, times their pixels
    blobs = [build.bottom(layer, index) for index in range(4)]
    regions, weights = (blob.view((blob.size // count, count)) for blob in (blobs[0], blobs[3]))
    losses, labels = blobs[1].flat(), blobs[2].flat()
    kept, kept_weights = build.top(layer, 0).flat(), build.top(layer, 1).view(weights.shape)
    form = {"count": layer.roi_per_img, "ignore": layer.p.ignore_label}
    build.forward("hardest_regions", regions, losses, labels, weights, out=(kept, kept_weights), **form)
