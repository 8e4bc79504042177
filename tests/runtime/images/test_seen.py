"""The pixels that a net sees are those of the file, mean and scale taken back."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import netdef
import runtime
from runtime.data import open_images
from runtime.images.pixels import image_layer
from runtime.images.seen import seen

NET = """
layer data: ImageData -> data, label {{
  source: "." batch_size: 1 new_height: 6 new_width: 8 {gray}
  transform_param {{ crop_size: 4 {transform} }}
}}
"""


@pytest.mark.parametrize(
    ("transform", "gray"),
    [("mean_value: [5, 60, 200] scale: 0.25", ""), ('mean_file: "mean.npy"', ""), ("mirror: true", "is_color: false")],
)
def test_pixels_come_back(tmp_path, monkeypatch, transform, gray):
    monkeypatch.chdir(tmp_path)
    channels = 1 if gray else 3
    pixels = np.random.default_rng(3).integers(0, 256, (6, 8, channels), dtype=np.uint8)
    np.save("mean.npy", pixels.transpose(2, 0, 1)[::-1].astype(np.float32) / 3)
    image = Image.fromarray(pixels[..., 0] if gray else pixels)
    image.save("x.png")
    net = netdef.parse(NET.format(transform=transform, gray=gray), str(Path("x.net").resolve()), "test")
    with runtime.compile(net, backward=False) as exe:
        exe.open_sources(lambda layer, seed, *, classes: open_images(layer, ["x.png"]))
        exe.forward()
        found = seen(exe.blob("data")[0], image_layer(net))
    np.testing.assert_array_equal(np.asarray(found), np.asarray(image.crop((2, 1, 6, 5))))
