"""Lines of pooling over regions, of prior boxes, proposals and detections."""

from __future__ import annotations

from typing import Any

from runtime.exchange.torch_out.lines import Scope, writes


@writes("ROIPooling")
def roi_pooling(layer: Any, on: Scope) -> None:
    rows, columns = layer.grid
    on.let(f"{on.call('pool_regions')}({', '.join(on.inputs)}, {rows}, {columns}, {layer.spatial_scale:.9g})")


@writes("ROIAlign")
def roi_align(layer: Any, on: Scope) -> None:
    rows, columns = layer.grid
    settings = f"{rows}, {columns}, {layer.spatial_scale:.9g}, {max(layer.sampling_ratio, 0)}"
    on.let(f"{on.call('align_regions')}({', '.join(on.inputs)}, {settings})")


@writes("PSROIPooling")
def psroi_pooling(layer: Any, on: Scope) -> None:
    on.let(f"{on.call('pool_parts')}({', '.join(on.inputs)}, {layer.group_size}, {layer.spatial_scale:.9g})")


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
        "least": float(f"{p.confidence_threshold:.9g}") if p.HasField("confidence_threshold") else -float("inf"),
        "threshold": float(f"{nms.nms_threshold:.9g}"),
        "eta": float(f"{nms.eta:.9g}"),
        "top": nms.top_k if nms.HasField("top_k") else -1,
        "keep": p.keep_top_k,
    }
    shown = ", ".join(f"{name}={_shown(value)}" for name, value in settings.items())
    on.let(f"{on.call('find_objects')}({', '.join(on.inputs[:3])}, {shown})")


def _shown(value: Any) -> str:
    return "-torch.inf" if value == -float("inf") else repr(value)


@writes("Proposal")
def proposal(layer: Any, on: Scope) -> None:
    from runtime.ops.detection.priors import anchors  # of arrays

    p = layer.p
    settings = f"{p.feat_stride}, {p.min_size}, {p.pre_nms_topn}, {p.post_nms_topn}, {p.nms_thresh:.9g}"
    call = f"{on.call('propose_regions')}({', '.join(on.inputs)}, {on.constant(anchors(layer))}, {settings})"
    if len(layer.tops) == 2:
        on.let_all(call)
    else:
        on.let(f"{call}[0]")
