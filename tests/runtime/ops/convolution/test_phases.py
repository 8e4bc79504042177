"""Windows that move by more than 1, by phases and tiles, against float64."""

from __future__ import annotations

import numpy as np
import pytest

from runtime.kernels.cpu.registry import plan
from runtime.kernels.operand import Operand
from tests.runtime.harness import normal, run_kernel

CLOSE = 5e-5  # of the root mean square

CASES = [
    # C, O, H, W, N, kernel, stride, pad, group
    (3, 16, 47, 43, 17, (11, 11), (4, 4), (0, 0), 1),
    (2, 16, 59, 40, 3, (11, 12), (4, 4), (2, 5), 1),
    (8, 34, 15, 24, 16, (5, 5), (2, 2), (1, 1), 2),
    (8, 17, 35, 42, 1, (5, 6), (2, 2), (2, 0), 1),
    (8, 16, 19, 33, 18, (3, 8), (1, 3), (1, 4), 1),
    (4, 16, 26, 22, 19, (9, 10), (2, 2), (4, 3), 1),  # five weights of a phase
]
DIRECT = [(3, 16, 33, 33, 16, (7, 7), (2, 2), (3, 3), 1), (16, 16, 14, 14, 16, (3, 3), (2, 2), (1, 1), 1)]


def setting(case):
    """(shapes of x, w and y, constants)."""
    C, O, H, W, N, kernel, stride, pad, group = case
    rows, columns = ((size + 2 * p - k) // s + 1 for size, p, k, s in zip((H, W), pad, kernel, stride, strict=True))
    window = {"kernel": kernel, "stride": stride, "pad": pad, "dilation": (1, 1), "group": group}
    return ((C, H, W, N), (O, C // group, *kernel), (O, rows, columns, N)), window


def names(kernel, shapes, constants):
    return [one.kernel.name for one in plan(kernel, [Operand(shape) for shape in shapes], constants).launches]


def windows_of(x, y_shape, window):
    """(group, C/group, kh, kw, OH, OW, N): what each window reads, in float64."""
    C, (_, OH, OW, N) = len(x), y_shape
    (kh, kw), (sh, sw), (ph, pw), group = window["kernel"], window["stride"], window["pad"], window["group"]
    padded = np.pad(x.astype(np.float64), ((0, 0), (ph, ph + sh), (pw, pw + sw), (0, 0)))
    read = [padded[:, i : i + sh * OH : sh, j : j + sw * OW : sw] for i in range(kh) for j in range(kw)]
    return np.stack(read, 1).reshape(group, C // group, kh, kw, OH, OW, N)


def assert_close(found, expected):
    assert np.abs(found - expected).max() < CLOSE * np.sqrt((expected**2).mean())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_all_three_directions_are_those_of_float64(case):
    (shape, weights, made), window = setting(case)
    x, w, dy, b = (normal(*each) for each in (shape, weights, made, weights[:1]))
    group, read = window["group"], windows_of(x, made, window)
    split_w, split_dy = w.reshape(group, -1, *weights[1:]), dy.reshape(group, -1, *made[1:])
    y = np.einsum("gcijhwn,gocij->gohwn", read, split_w, optimize=True).reshape(made) + b[:, None, None, None]
    dw = np.einsum("gcijhwn,gohwn->gocij", read, split_dy, optimize=True).reshape(weights)
    dx = transposed(split_w, split_dy, shape, window)
    x, w, dy, b = (each.astype(np.float32) for each in (x, w, dy, b))
    for slope, expected in ((0.0, np.maximum(y, 0)), (0.5, np.where(y < 0, 0.5 * y, y))):
        constants = {**window, "has_bias": True, "relu": True, "slope": slope}
        assert "deal_image" in names("conv2d", [shape, weights, b.shape, made], constants)
        assert_close(run_kernel("conv2d", [x, w, b], [made], **constants)[0], expected)
    assert_close(run_kernel("conv2d_weight_gradient", [x, dy], [weights], **window)[0], dw)
    assert_close(run_kernel("conv2d_input_gradient", [dy, w], [shape], **window)[0], dx)


def transposed(w, dy, shape, window):
    """dx (C, H, W, N) in float64, by adding each window's where it read."""
    (C, H, W, N), (ph, pw), (sh, sw) = shape, window["pad"], window["stride"]
    (kh, kw), (OH, OW) = window["kernel"], dy.shape[2:4]
    padded = np.zeros((C, H + 2 * ph + sh, W + 2 * pw + sw, N))
    for i in range(kh):
        for j in range(kw):
            here = np.einsum("goc,gohwn->gchwn", w[..., i, j], dy, optimize=True).reshape(C, OH, OW, N)
            padded[:, i : i + sh * OH : sh, j : j + sw * OW : sw] += here
    return padded[:, ph : ph + H, pw : pw + W]


def test_a_sum_behind_it_is_added_to_the_same_bits():
    (shape, weights, made), window = setting(CASES[2])
    x, w, b, more = (normal(*each).astype(np.float32) for each in (shape, weights, weights[:1], made))
    plain = {**window, "has_bias": True, "relu": False, "slope": 0.0}
    (y,) = run_kernel("conv2d", [x, w, b], [made], **plain)
    (total,) = run_kernel("conv2d_add", [x, w, b, more], [made], **plain)
    np.testing.assert_array_equal(total, y + more)


@pytest.mark.parametrize("case", DIRECT, ids=str)
def test_where_phases_do_not_pay(case):
    """Windows whose phases tiles do not know."""
    (shape, weights, made), window = setting(case)
    forward = {**window, "has_bias": False, "relu": False, "slope": 0.0}
    assert names("conv2d", [shape, weights, weights, made], forward) == ["conv2d_direct"]
