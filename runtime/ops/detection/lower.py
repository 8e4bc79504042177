"""How layers of boxes lower: priors are a constant, the rest is one kernel on the host."""

from __future__ import annotations

from math import prod

from netdef.layers.boxes import DetectionOutput, MultiBoxLoss, PriorBox, Proposal
from runtime.ir.builder import Builder
from runtime.ir.program import Buffer
from runtime.ops.detection.settings import Matching, Search, Selection
from runtime.ops.registry import lowers

LOWEST = -3.4028234663852886e38  # float32's: every score exceeds it


@lowers(PriorBox)
def lower_prior_box(layer: PriorBox, build: Builder) -> None:
    from runtime.ops.detection.priors import prior_boxes  # of arrays

    boxes = prior_boxes(layer)
    build.forward("constant", out=build.top(layer, 0).view(boxes.shape), values=boxes)


@lowers(DetectionOutput)
def lower_detection_output(layer: DetectionOutput, build: Builder) -> None:
    p, images = layer.p, layer.bottoms[0].shape[0]
    places, scores = (build.bottom(layer, index).columns(images) for index in (0, 1))
    priors, detections = build.bottom(layer, 2), build.top(layer, 0)
    selection = Selection(
        classes=layer.num_classes,
        background=p.background_label_id,
        places=layer.places,
        code=layer.code_type,
        encoded=p.variance_encoded_in_target,
        least=p.confidence_threshold if p.HasField("confidence_threshold") else LOWEST,
        nms=p.nms_param.nms_threshold,
        eta=p.nms_param.eta,
        top=p.nms_param.top_k if p.nms_param.HasField("top_k") else -1,
        keep=p.keep_top_k,
    )
    rows = detections.view((detections.size // 7, 7))
    build.forward("detect", places, scores, priors.view((2, priors.size // 2)), out=rows, selection=selection)


@lowers(Proposal)
def lower_proposal(layer: Proposal, build: Builder) -> None:
    from runtime.ops.detection.priors import anchors  # of arrays

    p, images = layer.p, layer.bottoms[0].shape[0]
    scores, moves = build.bottom(layer, 0), build.bottom(layer, 1)
    info = build.bottom(layer, 2)
    known = info.columns(images if layer.bottoms[2].shape[0] == images else 1)
    rows = layer.tops[0].shape[0]
    chances = build.top(layer, 1) if len(layer.tops) == 2 else build.saved(layer, "scores", (rows,))
    search = Search(p.feat_stride, p.min_size, p.pre_nms_topn, p.post_nms_topn, p.nms_thresh)
    out = (build.top(layer, 0).view((5, rows)), chances.view((rows,)))
    build.forward("propose", scores, moves, known, out=out, anchors=anchors(layer), search=search)


@lowers(MultiBoxLoss)
def lower_multibox_loss(layer: MultiBoxLoss, build: Builder) -> None:
    _check(layer)
    images = layer.bottoms[0].shape[0]
    places, scores = (build.bottom(layer, index).columns(images) for index in (0, 1))
    priors, truth = build.bottom(layer, 2), _in_order(layer, build, 3)
    gradients = [build.saved(layer, name, blob.shape) for name, blob in (("places.grad", places), ("scores.grad", scores))]
    inputs = places, scores, priors.view((2, priors.size // 2)), truth.view((truth.size // 8, 8))
    build.forward("multibox_loss", *inputs, out=(build.top(layer, 0).view((1,)), *gradients), matching=_matching(layer))
    for index, gradient in enumerate(gradients):
        if build.needs_gradient(layer, index):
            whole = (1, 1, prod(gradient.shape))
            dloss, dx = build.top_gradient(layer, 0).view((1,)), build.bottom_gradient(layer, index)
            build.backward("scale_rows", gradient.view(whole), dloss, out=dx.view(whole))


def _in_order(layer: MultiBoxLoss, build: Builder, index: int) -> Buffer:
    """A bottom whose numbers lie in the order that users see, where they are of several images."""
    x, images = build.bottom(layer, index), layer.bottoms[index].shape[0]
    if images == 1:
        return x
    ordered = build.saved(layer, "truth", (x.size,))
    build.forward("rebatch", x.columns(images), out=ordered.view((x.size, 1)))
    return ordered


def _matching(layer: MultiBoxLoss) -> Matching:
    """Its settings, as the kernel takes them."""
    p, names = layer.p, type(layer.p)
    return Matching(
        classes=layer.num_classes,
        background=p.background_label_id,
        places=layer.places,
        code=layer.code_type,
        encoded=p.encode_variance_in_target,
        best_only=p.match_type == names.BIPARTITE,
        threshold=p.overlap_threshold,
        by_priors=p.use_prior_for_matching,
        inside_only=p.ignore_cross_boundary_bbox,
        inside_gradient=p.bp_inside,
        mining=names.MiningType.Name(p.mining_type),
        ratio=p.neg_pos_ratio,
        least=p.neg_overlap,
        sample=p.sample_size,
        nms=p.nms_param.nms_threshold if p.HasField("nms_param") else 0.0,
        top=p.nms_param.top_k,
        nms_by_priors=p.use_prior_for_nms,
        weight=p.loc_weight,
        smooth=p.loc_loss_type == names.SMOOTH_L1,
        softmax=p.conf_loss_type == names.SOFTMAX,
        difficult=p.use_difficult_gt,
        agnostic=p.map_object_to_agnostic,
        normalization=layer.normalization,
    )


def _check(layer: MultiBoxLoss) -> None:
    """Raises NetdefError for settings that its fork refuses too, or that no kernel exists for."""
    p, names = layer.p, type(layer.p)
    if p.mining_type != names.NONE and layer.places > 1:
        raise layer.error("negatives are mined only where all classes share a place: share_location", "share_location")
    if p.mining_type == names.HARD_EXAMPLE and p.sample_size < 1:
        raise layer.error("sample_size, the examples of an image, must be at least 1", "sample_size")
    if p.conf_loss_type == names.SOFTMAX and p.background_label_id >= layer.num_classes:
        raise layer.error(
            f"background_label_id {p.background_label_id} is none of {layer.num_classes} classes", "background_label_id"
        )
