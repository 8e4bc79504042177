"""The weights' gradient by tiles against float64, whichever way images, blocks and segments divide it."""

from __future__ import annotations

import numpy as np
import pytest

from runtime.kernels.cpu.registry import plan
from runtime.kernels.operand import Operand
from tests.runtime.harness import normal, run_kernel

CLOSE = 5e-5  # of the gradient's root mean square

CASES = [
    # C, O, height, width, N, pad, group, window, launches
    (16, 16, 9, 7, 40, 1, 1, 3, 1),
    (16, 17, 53, 51, 1, 1, 1, 3, 1),  # vectors of tiles
    (18, 16, 30, 33, 3, 0, 1, 3, 1),  # of tiles x images
    (16, 17, 26, 21, 4, 1, 1, 3, 1),
    (16, 16, 18, 23, 8, 0, 1, 3, 1),
    (16, 18, 12, 10, 17, 2, 1, 3, 1),  # of images, the last one twice
    (32, 34, 21, 22, 16, 1, 2, 3, 2),  # groups, segments
    (150, 131, 13, 13, 16, 1, 1, 3, 1),  # blocks of outputs and of channels
    (32, 34, 11, 12, 17, 2, 2, 5, 2),
    (16, 16, 8, 8, 300, 1, 1, 3, 2),  # more images than a product takes
]


def gradient(x: np.ndarray, dy: np.ndarray, pad: int, group: int, window: int) -> np.ndarray:
    """float64, from the definition."""
    (C, H, W, N), (O, OH, OW, _) = x.shape, dy.shape
    padded = np.zeros((C, H + 2 * pad, W + 2 * pad, N))
    padded[:, pad : pad + H, pad : pad + W] = x
    windows = np.stack(
        [padded[:, i : i + OH, j : j + OW].reshape(group, C // group, -1) for i in range(window) for j in range(window)]
    )
    return np.einsum("gop,kgcp->gock", dy.reshape(group, O // group, -1), windows, optimize=True).reshape(
        O, C // group, window, window
    )


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_gradient_is_that_of_float64(case: tuple[int, ...]) -> None:
    C, O, H, W, N, pad, group, size, launches = case
    x, dy = np.maximum(normal(C, H, W, N), 0), normal(O, H + 2 * pad - size + 1, W + 2 * pad - size + 1, N)
    window = {"kernel": (size, size), "stride": (1, 1), "pad": (pad, pad), "dilation": (1, 1), "group": group}
    shape = (O, C // group, size, size)
    made = plan("conv2d_weight_gradient", [Operand(x.shape), Operand(dy.shape), Operand(shape)], window).launches
    assert [made[0].kernel.name, len(made)] == ["conv2d_weight_gradient_tiles", launches]
    (found,) = run_kernel("conv2d_weight_gradient", [x.astype(np.float32), dy.astype(np.float32)], [shape], **window)
    expected = gradient(x, dy, pad, group, size)
    assert np.abs(found - expected).max() < CLOSE * np.sqrt((expected**2).mean())


@pytest.mark.parametrize(
    ("C", "side", "N", "kernel", "stride"),
    [(15, 16, 16, 3, 1), (16, 6, 8, 3, 1), (16, 16, 16, 3, 2), (16, 16, 8, 5, 1), (16, 2, 300, 3, 1)],
)
def test_what_tiles_do_not_pay_for(C: int, side: int, N: int, kernel: int, stride: int) -> None:
    """Few channels, few positions, windows that move by more or are larger, and outputs that tiles cover badly."""
    out = (side + 2 - kernel) // stride + 1
    window = {"kernel": (kernel,) * 2, "stride": (stride,) * 2, "pad": (1, 1), "dilation": (1, 1), "group": 1}
    operands = [Operand((C, side, side, N)), Operand((16, out, out, N)), Operand((16, C, kernel, kernel))]
    assert plan("conv2d_weight_gradient", operands, window).launches[0].kernel.name == "conv2d_weight_gradient_direct"
