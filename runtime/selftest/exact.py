"""Long sums in float64: what an instruction's results are held against where another device's float32 sums are no better.

db[o] = sum of dy[0, o, :, :]            dw[o] = sum over images and positions of dy[o] * the window of x there
y[o] = w[o] . x + b[o]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from runtime.ir.program import Instruction

Arrays = Sequence[np.ndarray]
Constants = Mapping[str, Any]


def exact(instruction: Instruction, inputs: Arrays, outputs: Arrays) -> list[np.ndarray]:
    """An instruction's outputs, those that are long sums in float64 and the others as they are given.

    Parameters
    ----------
    inputs: what it was given.
    outputs: what a reference in float32 made of that.
    """
    if instruction.kernel in SUMS:
        return [SUMS[instruction.kernel](inputs, instruction.constants)]
    if instruction.kernel.endswith("_relu_bias") or instruction.kernel == "relu_backward_bias":
        gradient, db = outputs
        rows = instruction.outputs[1].size
        return [gradient, gradient.reshape(rows, -1).sum(axis=1, dtype=np.float64).reshape(db.shape)]
    return list(outputs)


def bias_gradient(inputs: Arrays, constants: Constants) -> np.ndarray:
    return inputs[0].sum(axis=(0, 2, 3), dtype=np.float64)


def weight_gradient(inputs: Arrays, constants: Constants) -> np.ndarray:
    """Element by element of the window, each a product of matrices."""
    x, dy = (array.astype(np.float64) for array in inputs)
    group, (pad_h, pad_w) = constants["group"], constants["pad"]
    (kh, kw), (sh, sw), (dh, dw) = constants["kernel"], constants["stride"], constants["dilation"]
    outputs, OH, OW, _ = dy.shape
    channels = x.shape[0] // group
    x = np.pad(x, ((0, 0), (pad_h, pad_h + sh), (pad_w, pad_w + sw), (0, 0)))
    made = np.empty((outputs, channels, kh, kw))
    for g in range(group):
        rows, mine = slice(g * outputs // group, (g + 1) * outputs // group), slice(g * channels, (g + 1) * channels)
        gradient = dy[rows].reshape(outputs // group, -1)
        for i in range(kh):
            for j in range(kw):
                seen = x[mine, i * dh : i * dh + (OH - 1) * sh + 1 : sh, j * dw : j * dw + (OW - 1) * sw + 1 : sw]
                made[rows, :, i, j] = gradient @ seen.reshape(channels, -1).T
    return made


def inner_product(inputs: Arrays, constants: Constants) -> np.ndarray:
    x, w, b = (array.astype(np.float64) for array in inputs)
    y = (w.T if constants["transpose"] else w) @ x
    if constants["has_bias"]:
        y = y + b.reshape(-1, 1)
    return np.where(y < 0, constants["slope"] * y, y) if constants["relu"] else y


SUMS: dict[str, Callable[[Arrays, Constants], np.ndarray]] = {
    "bias_gradient": bias_gradient,
    "conv2d_weight_gradient": weight_gradient,
    "inner_product": inner_product,
}
