"""How images from files lower: the source's uint8 batch is the program's input, one kernel turns it into the net's."""

from __future__ import annotations

import numpy as np

from netdef.layers.data import ImageData
from runtime.kernels.cpu.image_transform import scratch_floats
from runtime.lowering import Builder, lowers


@lowers(ImageData, gradients=())
def lower(layer: ImageData, build: Builder) -> None:
    from runtime.data.settings import image_size, mean_of  # loads Pillow: not for nets without images

    top = build.top(layer, 0)
    channels, _, width, batch = top.shape
    size = image_size(layer)
    fields = {
        "images": build.host_input(layer, "images", (batch, *size, channels), "uint8"),
        "offsets": build.host_input(layer, "offsets", (batch, 2), "int32"),
        "mirrors": build.host_input(layer, "mirrors", (batch,), "uint8"),
    }
    build.forward(
        "image_transform",
        *fields.values(),
        out=top,
        mean=mean_of(layer),
        scale=np.float32(layer.message.transform_param.scale),
        scratch=scratch_floats(width),
    )
    if len(layer.tops) > 1:
        fields["labels"] = build.top(layer, 1, role="input")
    build.source(layer, **fields)
