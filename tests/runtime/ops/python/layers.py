"""Nets with Python layers for tests: the modules and the nets are written to a folder, each test's own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOSS = """
import caffe
import numpy as np


class Distance(caffe.Layer):
    def setup(self, bottom, top):
        assert len(bottom) == 2

    def reshape(self, bottom, top):
        top[0].reshape(1)

    def forward(self, bottom, top):
        self.difference = bottom[0].data - bottom[1].data
        top[0].data[0] = (self.difference**2).sum() / bottom[0].num / 2

    def backward(self, top, propagate_down, bottom):
        for i, sign in enumerate((1, -1)):
            if propagate_down[i]:
                bottom[i].diff[...] = sign * top[0].diff[0] * self.difference / bottom[i].num


class Native:
    pass
"""
NET = """
name: "regression"
layer data: DummyData -> x, y {
  shape { dim: [4, 3, 5, 6] } shape { dim: [4, 2] } data_filler { type: "gaussian" } data_filler { type: "gaussian" }
}
layer fc: InnerProduct(x) { num_output: 2 weight_filler { type: "xavier" } }
layer loss: Python(fc, y) { module: "distance" layer: "Distance" loss_weight: 1 }
"""


def write(folder: Path, name: str, text: str) -> str:
    """Write a file, and return its path."""
    (folder / name).write_text(text)
    return str(folder / name)


@contextmanager
def modules_in(folder: Path) -> Iterator[Path]:
    """With module `distance` in a folder; afterwards modules that were imported from there are forgotten."""
    write(folder, "distance.py", LOSS)
    yield folder
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]
