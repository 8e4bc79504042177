"""Lines of pooling over regions, of prior boxes, proposals and detections."""

from __future__ import annotations

from typing import Any

from runtime.exchange.torch_out.lines import Scope, number, writes


@writes("ROIPooling")
def roi_pooling(layer: Any, on: Scope) -> None:
    rows, columns = layer.grid
    on.let(f"{on.call('pool_regions')}({', '.join(on.inputs)}, {rows}, {columns}, {number(layer.spatial_scale)})")


@writes("ROIAlign")
def roi_align(layer: Any, on: Scope) -> None:
    rows, columns = layer.grid
    settings = f"{rows}, {columns}, {number(layer.spatial_scale)}, {max(layer.sampling_ratio, 0)}"
    on.let(f"{on.call('align_regions')}({', '.join(on.inputs)}, {settings})")


@writes("PSROIPooling")
def psroi_pooling(layer: Any, on: Scope) -> None:
    on.let(f"{on.call('pool_own_channels')}({', '.join(on.inputs)}, {layer.group_size}, {number(layer.spatial_scale)})")


@writes("PriorBox")
def prior_box(layer: Any, on: Scope) -> None:
    from runtime.ops.detection.priors import prior_boxes  # of arrays

    on.let(on.constant(prior_boxes(layer).reshape(layer.tops[0].shape)))


@writes("DetectionOutput")
def detection_output(layer: Any, on: Scope) -> None:
    p, nms = layer.p, layer.p.nms_param
    settings = {
        "rows": layer.tops[0].shape[2],
        "classes": layer.num_classes,
        "background": p.background_label_id,
        "code": layer.code_type,
        "encoded": p.variance_encoded_in_target,
        "shared": layer.places == 1,
        "least": p.confidence_threshold if p.HasField("confidence_threshold") else -float("inf"),
        "threshold": nms.nms_threshold,
        "eta": nms.eta,
        "top": nms.top_k if nms.HasField("top_k") else -1,
        "keep": p.keep_top_k,
    }
    shown = ", ".join(f"{name}={number(value) if isinstance(value, float) else repr(value)}" for name, value in settings.items())
    on.let(f"{on.call('find_objects')}({', '.join(on.inputs[:3])}, {shown})")


@writes("Proposal")
def proposal(layer: Any, on: Scope) -> None:
    from runtime.ops.detection.priors import anchors  # of arrays

    p = layer.p
    settings = f"{p.feat_stride}, {p.min_size}, {p.pre_nms_topn}, {p.post_nms_topn}, {number(p.nms_thresh)}"
    call = f"{on.call('propose_regions')}({', '.join(on.inputs)}, {on.constant(anchors(layer))}, {settings})"
    if len(layer.tops) == 2:
        on.let_all(call)
    else:
        on.let(f"{call}[0]")
