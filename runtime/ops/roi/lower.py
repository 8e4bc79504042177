"""How layers over regions of interest lower.  A region's numbers are the channels of its blob, regions its images: (5, R)."""

from __future__ import annotations

from netdef.layers.regions import PSROIPooling, Regional, ROIAlign, ROIPooling
from runtime.ir.builder import Builder
from runtime.ir.program import Buffer
from runtime.ops.registry import lowers


def regions(layer: Regional, build: Builder) -> Buffer:
    """The second bottom."""
    return build.bottom(layer, 1).columns(layer.bottoms[1].shape[0])


@lowers(ROIPooling)
def lower_roi_pooling(layer: ROIPooling, build: Builder) -> None:
    x, y, rois = build.bottom(layer, 0), build.top(layer, 0), regions(layer, build)
    argmax = build.saved(layer, "argmax", y.shape, "int32")
    build.forward("roi_max_forward", x, rois, out=(y, argmax), scale=layer.spatial_scale)
    if build.needs_gradient(layer, 0):
        dy, dx = build.top_gradient(layer, 0), build.bottom_gradient(layer, 0)
        build.backward("roi_max_backward", dy, rois, argmax, out=dx)


@lowers(ROIAlign)
def lower_roi_align(layer: ROIAlign, build: Builder) -> None:
    _averaged(layer, build, "roi_align", samples=layer.sampling_ratio)


@lowers(PSROIPooling)
def lower_psroi_pooling(layer: PSROIPooling, build: Builder) -> None:
    _averaged(layer, build, "psroi")


def _averaged(layer: Regional, build: Builder, name: str, **constants: int) -> None:
    rois = regions(layer, build)
    build.forward(f"{name}_forward", build.bottom(layer, 0), rois, out=build.top(layer, 0), scale=layer.spatial_scale, **constants)
    if build.needs_gradient(layer, 0):
        dy, dx = build.top_gradient(layer, 0), build.bottom_gradient(layer, 0)
        build.backward(f"{name}_backward", dy, rois, out=dx, scale=layer.spatial_scale, **constants)
