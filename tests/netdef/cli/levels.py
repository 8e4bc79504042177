"""Classes of images that are each one shade of gray, and a net that classifies them with weights made by hand."""

from pathlib import Path

import numpy as np
from PIL import Image

import netdef
import runtime

NET = """
name: "levels"
layer data: ImageData -> data, label {{
  source: "digits" batch_size: 4 new_height: 4 new_width: 4 is_color: false
  transform_param {{ mean_value: {mean} }}
}}
layer mean: Pooling(data) {{ pool: AVE global_pooling: true }}
layer fc: InnerProduct(mean) {{ num_output: {classes} }}
layer loss: SoftmaxWithLoss(fc, label)
test layer accuracy: Accuracy(fc, label)
"""
DEPLOY = """
layer data: Input {{ shape {{ dim: [1, 1, 4, 4] }} }}
layer mean: Pooling(data) {{ pool: AVE global_pooling: true }}
layer fc: InnerProduct(mean) {{ num_output: {classes} }}
layer prob: Softmax(fc)
"""
SOLVER = 'base_lr: 0.01 lr_policy: "fixed" max_iter: 10 random_seed: 1 test_iter: 3 test_interval: 10 snapshot_prefix: "levels"'


def shade(number: int) -> int:
    """The gray of a class."""
    return 20 * number + 10


def make(folder: Path, names: list[str], each: int = 3, mean: float = 0) -> None:
    """Write digits/NAME/*.png, the class of names[n] in shade n, nets, a solver, and weights that find the nearest shade."""
    for number, name in enumerate(names):
        write_class(folder / "digits" / name, number, each)
    (folder / "levels.net").write_text(NET.format(classes=len(names), mean=mean))
    (folder / "deploy.net").write_text(DEPLOY.format(classes=len(names)))
    (folder / "solver.txt").write_text(SOLVER)
    shades = np.array([shade(number) for number in range(len(names))], np.float32)
    with runtime.compile(netdef.load(folder / "deploy.net"), backward=False) as executable:
        executable.set_param("fc", 0, 2 * shades[:, None])  # the largest of 2 v x - v v is of the v nearest to x
        executable.set_param("fc", 1, -(shades**2))
        executable.save_weights(folder / "w.caffemodel")


def write_class(folder: Path, number: int, each: int = 3) -> None:
    """Write images in a shade."""
    folder.mkdir(parents=True)
    for index in range(each):
        Image.fromarray(np.full((5 + index, 6), shade(number), np.uint8)).save(folder / f"{index}.png")
