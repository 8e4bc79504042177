"""LRN: across channels with groups, within a channel; any window, any exponent."""

import numpy as np
import pytest

from tests.runtime import reference
from tests.runtime.harness import inner, normal, outer, run_kernel

CASES = [  # N, C, H, W, size, alpha, beta, k, group
    (2, 6, 3, 2, 5, 1.5, 0.75, 2.0, 1),
    (1, 7, 2, 3, 3, 0.9, 0.5, 1.0, 1),
    (3, 8, 1, 2, 5, 2.0, 0.75, 1.0, 2),
    (7, 4, 1, 1, 9, 1.0, 0.75, 1.0, 1),  # a window larger than its channels
    (2, 18, 1, 1, 13, 1.0, 0.6, 1.0, 1),
    (1, 6, 1, 1, 1, 1.0, 0.75, 1.0, 6),
    (5, 3, 11, 19, 5, 1.0, 0.75, 1.0, 1),  # several runs of positions, the last one shorter
]


@pytest.mark.parametrize("N,C,H,W,size,alpha,beta,k,group", CASES)
def test_across_channels(N, C, H, W, size, alpha, beta, k, group):
    x, dy = normal(N, C, H, W), normal(N, C, H, W, seed=1)
    rows = (C, H * W * N)
    constants = {"size": size, "alpha": alpha, "beta": beta, "k": k, "group": group}
    (y,) = run_kernel("lrn_forward", [inner(x).reshape(rows)], [rows], **constants)

    def forward(x):
        return reference.lrn(x, size, alpha, beta, k, group)

    np.testing.assert_allclose(outer(y.reshape(C, H, W, N)), forward(x), rtol=1e-5, atol=1e-6)
    inputs = [inner(x).reshape(rows), inner(dy).reshape(rows)]
    (dx,) = run_kernel("lrn_backward", inputs, [rows], **constants)
    want = reference.numeric_gradient(forward, x, dy)
    np.testing.assert_allclose(outer(dx.reshape(C, H, W, N)), want, rtol=1e-4, atol=1e-5)


def test_towers_do_not_mix():
    """With two groups each half is what it would be alone."""
    x = inner(normal(2, 8, 2, 2)).reshape(8, 8)
    constants = {"size": 5, "alpha": 1.0, "beta": 0.75, "k": 2.0}
    (both,) = run_kernel("lrn_forward", [x], [(8, 8)], group=2, **constants)
    for half in (slice(0, 4), slice(4, 8)):
        (alone,) = run_kernel("lrn_forward", [x[half]], [(4, 8)], group=1, **constants)
        np.testing.assert_array_equal(both[half], alone)


def test_tiny_after_huge():
    """A channel beside huge ones is normalised by its own neighbours: nothing is left over from earlier windows."""
    x = np.zeros((9, 16), np.float32)
    x[0], x[8] = 1e8, 1e-3
    constants = {"size": 3, "alpha": 3.0, "beta": 0.75, "k": 1.0, "group": 1}
    (y,) = run_kernel("lrn_forward", [x], [x.shape], **constants)
    np.testing.assert_allclose(y[8], 1e-3, rtol=1e-5)


@pytest.mark.parametrize("N,C,H,W,size", [(2, 2, 4, 3, 3), (1, 1, 5, 5, 5), (3, 1, 2, 2, 7), (5, 2, 1, 4, 1)])
def test_within_channel(N, C, H, W, size):
    x, dy = normal(N, C, H, W), normal(N, C, H, W, seed=1)
    shape, constants = (C, H, W, N), {"size": size, "alpha": 0.9, "beta": 0.75}
    y, scale = run_kernel("lrn_within_forward", [inner(x)], [shape, shape], **constants)

    def forward(x):
        return reference.lrn_within(x, size, 0.9, 0.75)

    np.testing.assert_allclose(outer(y), forward(x), rtol=1e-5, atol=1e-6)
    (dx,) = run_kernel("lrn_within_backward", [inner(x), y, scale, inner(dy)], [shape], **constants)
    np.testing.assert_allclose(outer(dx), reference.numeric_gradient(forward, x, dy), rtol=1e-4, atol=1e-5)
