"""How sources lower: their batch is the program's input; a kernel transforms images, or turns rows of arrays, into the net's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netdef.layers.data import Data, HDF5Data, ImageData, MemoryData, Samples, WindowData
from runtime.ir.builder import Builder
from runtime.ir.program import Buffer
from runtime.ops.registry import lowers

if TYPE_CHECKING:
    from netdef.graph.layer import Blob, Layer


@lowers(ImageData)
@lowers(Data)
@lowers(WindowData)
def lower(layer: Samples, build: Builder) -> None:
    fields: dict[str, Buffer] = {}
    for index, top in enumerate(layer.tops):  # of a share on one of several devices one may be missing
        if top.name == layer.message.top[0]:
            fields |= _images(layer, build, index)
        elif len(top.shape) == 1:
            fields["labels"] = build.top(layer, index, role="input")
        else:
            fields["labels"] = _rows(layer, build, index, "labels")
    build.source(layer, **fields)


def _images(layer: Samples, build: Builder, index: int) -> dict[str, Buffer]:
    """The kernel that makes the net's images, and the buffers that it takes."""
    import numpy as np

    from runtime.data.settings import dtype_of, image_size, mean_of  # loads Pillow: not for nets without images

    top = build.top(layer, index)
    channels, batch = top.shape[0], top.shape[-1]
    size = image_size(layer)
    fields = {
        "images": build.host_input(layer, "images", (batch, *size, channels), dtype_of(layer)),
        "offsets": build.host_input(layer, "offsets", (batch, 2), "int32"),
        "mirrors": build.host_input(layer, "mirrors", (batch,), "uint8"),
    }
    if layer.shifts_colors:
        fields["shifts"] = build.host_input(layer, "shifts", (batch, 3), "float32")
    build.forward(
        "image_transform_shifted" if layer.shifts_colors else "image_transform",
        *fields.values(),
        out=top,
        mean=mean_of(layer),
        scale=np.float32(layer.message.transform_param.scale),
    )
    return fields


@lowers(HDF5Data)
@lowers(MemoryData)
def lower_rows(layer: HDF5Data | MemoryData, build: Builder) -> None:
    """A batch has an array (N, ...) for each top; only the order of its numbers is another."""
    from runtime.data.rows import field_of, refuse_transform

    refuse_transform(layer)
    fields: dict[str, Buffer] = {}
    tops: dict[str, Blob] = {}
    for index, top in enumerate(layer.tops):
        field = field_of(list(layer.message.top).index(top.name))
        tops[field] = top
        if len(top.shape) == 1:
            fields[field] = build.top(layer, index, role="input")
            continue
        fields[field] = _rows(layer, build, index, field)
    build.source(layer, tops, **fields)


def _rows(layer: Layer, build: Builder, index: int, field: str) -> Buffer:
    """The buffer for rows (N, ...) of a top, and the kernel that makes the batch its last axis."""
    y = build.top(layer, index)
    images = y.shape[-1]
    rows = build.host_input(layer, field, (images, *y.shape[:-1]), "float32")
    build.forward("rebatch", rows.columns(1), out=y.columns(images))
    return rows
