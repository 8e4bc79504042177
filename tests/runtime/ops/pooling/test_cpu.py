"""Pooling: maxima with their positions, means with Caffe's divisors, and the gradients of both."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.runtime import reference
from tests.runtime.harness import inner, normal, outer, run_kernel

CASES = [  # N, C, H, W, kernel, stride, pad, out (None: Caffe's ceil rule)
    (1, 3, 55, 7, (3, 3), (2, 2), (0, 0)),
    (2, 2, 9, 8, (3, 3), (2, 2), (1, 1)),
    (3, 1, 9, 8, (2, 3), (2, 1), (0, 0)),
    (7, 2, 6, 5, (2, 2), (2, 2), (0, 0)),  # the last column's window overhangs
    (64, 2, 13, 13, (3, 3), (2, 2), (0, 0)),
    (5, 2, 8, 7, (8, 7), (1, 1), (0, 0)),  # global
    (2, 1, 20, 20, (17, 17), (2, 2), (3, 3)),  # more positions in a window than a byte can tell
    (1, 1, 7, 7, (5, 4), (3, 3), (4, 2)),
]


def out_size(size, kernel, stride, pad):
    """Caffe's: rounded up; with padding no window starts beyond the image."""
    out = -(-(size + 2 * pad - kernel) // stride) + 1
    return out - 1 if pad and (out - 1) * stride >= size + pad else out


def out_shape(x, kernel, stride, pad):
    return tuple(out_size(*side) for side in zip(x.shape[2:], kernel, stride, pad, strict=True))


def maximum(x, kernel, stride, pad):
    """(y, place) as the kernels hold them."""
    oh, ow = out_shape(x, kernel, stride, pad)
    N, C = x.shape[:2]
    place = "uint8" if kernel[0] * kernel[1] <= 256 else "uint16"
    shape = (C, oh, ow, N)
    geometry = {"kernel": kernel, "stride": stride, "pad": pad}
    return run_kernel("pool_max_forward", [inner(x)], [shape, (shape, place)], **geometry)


@pytest.mark.parametrize("N,C,H,W,kernel,stride,pad", CASES)
@pytest.mark.parametrize("levels", [0, 2])
def test_maximum_and_its_gradient(N, C, H, W, kernel, stride, pad, levels):
    x = normal(N, C, H, W)
    if levels:
        x = np.round(x * levels) / levels  # many ties: the first of equals must win
    geometry = {"kernel": kernel, "stride": stride, "pad": pad}
    y, place = maximum(x, kernel, stride, pad)
    out = out_shape(x, kernel, stride, pad)
    want, at = reference.pool_max(x, out, kernel, stride, pad)
    np.testing.assert_array_equal(outer(y), want)
    (positions,) = run_kernel("pool_positions", [place], [y.shape], size=(H, W), **geometry)
    np.testing.assert_array_equal(outer(positions), at)

    dy = normal(*want.shape, seed=1)
    (dx,) = run_kernel("pool_max_backward", [inner(dy), place], [(C, H, W, N)], **geometry)
    expected = np.zeros((N, C, H * W))
    for n, c in np.ndindex(N, C):
        np.add.at(expected[n, c], at[n, c].astype(int).ravel(), dy[n, c].ravel())
    np.testing.assert_allclose(outer(dx), expected.reshape(x.shape), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("N,C,H,W,kernel,stride,pad", CASES)
def test_mean_and_its_gradient(N, C, H, W, kernel, stride, pad):
    x = normal(N, C, H, W)
    out = out_shape(x, kernel, stride, pad)
    geometry = {"kernel": kernel, "stride": stride, "pad": pad}
    (y,) = run_kernel("pool_ave_forward", [inner(x)], [(C, *out, N)], **geometry)
    np.testing.assert_allclose(outer(y), reference.pool_ave(x, out, kernel, stride, pad), rtol=1e-5, atol=1e-5)

    dy = normal(N, C, *out, seed=1)
    (dx,) = run_kernel("pool_ave_backward", [inner(dy)], [(C, H, W, N)], **geometry)
    expected = np.zeros(x.shape)
    for (oh, ow), rows, columns, area in reference.windows((H, W), out, kernel, stride, pad):
        expected[:, :, rows, columns] += dy[:, :, oh, ow, None, None] / area
    np.testing.assert_allclose(outer(dx), expected, rtol=1e-5, atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_window(data):
    """Any geometry that fits: the gradients of a maximum's sum count how often each element was the maximum."""
    N, H, W = (data.draw(st.integers(1, 9)) for _ in range(3))
    kernel = data.draw(st.integers(1, H)), data.draw(st.integers(1, W))
    stride = data.draw(st.integers(1, kernel[0])), data.draw(st.integers(1, kernel[1]))
    pad = data.draw(st.integers(0, kernel[0] - 1)), data.draw(st.integers(0, kernel[1] - 1))
    x = np.round(normal(N, 2, H, W))
    y, place = maximum(x, kernel, stride, pad)
    want, at = reference.pool_max(x, y.shape[1:3], kernel, stride, pad)
    np.testing.assert_array_equal(outer(y), want)
    geometry = {"kernel": kernel, "stride": stride, "pad": pad}
    (dx,) = run_kernel("pool_max_backward", [np.ones_like(y), place], [(2, H, W, N)], **geometry)
    counts = [np.bincount(p.astype(int).ravel(), minlength=H * W) for p in at.reshape(N * 2, -1)]
    np.testing.assert_array_equal(outer(dx).reshape(N * 2, H * W), counts)


def test_a_window_wholly_outside_is_harmless():
    """Without padding Caffe lets a window start beyond the image where the stride is larger than the window."""
    x = normal(2, 1, 5, 5)
    geometry = {"kernel": (1, 1), "stride": (3, 3), "pad": (0, 0)}
    y, place = run_kernel("pool_max_forward", [inner(x)], [(1, 3, 3, 2), ((1, 3, 3, 2), "uint8")], **geometry)
    assert (y[:, 2] == np.finfo(np.float32).min).all() and (place[:, 2] == 0).all()
    np.testing.assert_array_equal(outer(y)[:, :, :2, :2], x[:, :, ::3, ::3])
    (positions,) = run_kernel("pool_positions", [place], [y.shape], size=(5, 5), **geometry)
    assert (positions[0, 2] == -1).all() and (positions[0, :, 2] == -1).all()
    assert positions[0, :2, :2, 0].tolist() == [[0, 3], [15, 18]]
    (dx,) = run_kernel("pool_max_backward", [np.ones_like(y), place], [(1, 5, 5, 2)], **geometry)
    assert dx.sum() == 8
    (mean,) = run_kernel("pool_ave_forward", [inner(x)], [(1, 3, 3, 2)], **geometry)
    assert (mean[:, 2] == 0).all()
