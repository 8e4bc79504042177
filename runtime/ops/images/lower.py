"""How images lower: the source's batch of uint8 or float32 is the program's input, one kernel turns it into the net's."""

from __future__ import annotations

from netdef.layers.data import Data, ImageData, Samples
from runtime.ir.builder import Builder
from runtime.ir.program import Buffer
from runtime.ops.registry import lowers


@lowers(ImageData)
@lowers(Data)
def lower(layer: Samples, build: Builder) -> None:
    fields: dict[str, Buffer] = {}
    for index, top in enumerate(layer.tops):  # of a share on one of several devices one may be missing
        if top.name == layer.message.top[0]:
            fields |= _images(layer, build, index)
        else:
            fields["labels"] = build.top(layer, index, role="input")
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
