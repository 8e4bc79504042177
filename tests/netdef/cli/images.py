"""A folder of small images of two classes that a net learns at once: dark and bright ones."""

from pathlib import Path

import numpy as np
from PIL import Image

NET = """
name: "shades"
train layer data: ImageData -> data, label {
  source: "images" batch_size: 4 new_height: 20 shuffle: true
  transform_param { crop_size: 16 mirror: true mean_value: 128 scale: 0.01 }
}
test layer data: ImageData -> data, label {
  source: "images" batch_size: 4 new_height: 20
  transform_param { crop_size: 16 mean_value: 128 scale: 0.01 }
}
layer conv: Convolution(data) { num_output: 4 kernel_size: 5 stride: 2 weight_filler { type: "xavier" } }
layer relu: ReLU(conv) -> conv
layer drop: Dropout(conv) -> conv { dropout_ratio: 0.2 }
layer fc: InnerProduct(conv) { num_output: 2 weight_filler { type: "xavier" } }
layer loss: SoftmaxWithLoss(fc, label)
test layer accuracy: Accuracy(fc, label)
"""
SOLVER = """
base_lr: 0.02 lr_policy: "fixed" momentum: 0.9 max_iter: 30 display: 5 random_seed: 3
test_iter: 5 test_interval: 10 snapshot_prefix: "shades"
"""


def make(folder: Path, name: str = "images", each: int = 10) -> None:
    """Write the folder, the net and its solver."""
    random = np.random.default_rng(1)
    for label, (shade, level) in enumerate({"bright": 180, "dark": 40}.items()):
        (folder / name / shade).mkdir(parents=True)
        for index in range(each):
            pixels = random.integers(level, level + 40, (22 + index, 30, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / shade / f"{label}{index}.png")
    (folder / "shades.net").write_text(NET)
    (folder / "solver.txt").write_text(SOLVER)
