"""Stochastic pooling: which element each window's draw falls on, what testing averages, where gradients go."""

import numpy as np
import pytest

import netdef
import runtime
from netdef import NetdefError
from runtime.kernels.cpu.philox import POOLING_STREAM
from tests.runtime import reference
from tests.runtime.harness import inner, normal, outer, run_kernel
from tests.runtime.ops.pooling.test_cpu import out_shape

CASES = [  # N, C, H, W, kernel, stride
    (1, 3, 7, 5, (3, 3), (2, 2)),
    (5, 2, 9, 8, (2, 3), (2, 1)),
    (64, 2, 7, 7, (3, 3), (2, 2)),  # the last windows overhang
    (3, 1, 20, 17, (20, 17), (1, 1)),  # more positions than a byte can tell
    (2, 2, 5, 5, (1, 1), (3, 3)),  # windows wholly outside
]
KEY, TURN = (1701, 0xDEADBEEF), 70_000


def positive(*shape: int) -> np.ndarray:
    return np.maximum(0, normal(*shape)).astype(np.float32)


def drawn(x: np.ndarray, kernel, stride) -> tuple[np.ndarray, np.ndarray]:
    """(values, positions in the channel) that each window's draw falls on; -1 where the window has no element."""
    N, C, H, W = x.shape
    out = out_shape(x, kernel, stride, (0, 0))
    y, at = np.zeros((N, C, *out), np.float32), np.full((N, C, *out), -1)
    u = reference.uniform(y.size, KEY, TURN, POOLING_STREAM).reshape(C, *out, N) + 2.0**-24
    for n, c, oh, ow in np.ndindex(*y.shape):
        rows, columns = (range(o * s, min(o * s + k, size)) for o, s, k, size in zip((oh, ow), stride, kernel, (H, W), strict=True))
        places = [(i, j) for i in rows for j in columns]
        if not places:
            continue
        sums = np.cumsum([x[n, c, i, j] for i, j in places], dtype=np.float32)
        i, j = places[int(np.argmax(sums >= np.float32(u[c, oh, ow, n]) * sums[-1]))]
        y[n, c, oh, ow], at[n, c, oh, ow] = x[n, c, i, j], i * W + j
    return y, at


@pytest.mark.parametrize("N,C,H,W,kernel,stride", CASES)
def test_draws_and_their_gradient(N, C, H, W, kernel, stride) -> None:
    x = positive(N, C, H, W)
    want, at = drawn(x, kernel, stride)
    geometry = {"kernel": kernel, "stride": stride, "pad": (0, 0)}
    shape, kind = (C, *want.shape[2:], N), "uint8" if kernel[0] * kernel[1] <= 256 else "uint16"
    turn = np.array([TURN], np.int64)
    y, place = run_kernel("pool_stochastic_forward", [inner(x), turn], [shape, (shape, kind)], key=KEY, **geometry)
    np.testing.assert_array_equal(outer(y), want)
    dy = normal(*want.shape, seed=1)
    (dx,) = run_kernel("pool_max_backward", [inner(dy), place], [(C, H, W, N)], **geometry)
    expected = np.zeros((N, C, H * W))
    for n, c in np.ndindex(N, C):
        inside = at[n, c] >= 0
        np.add.at(expected[n, c], at[n, c][inside], dy[n, c][inside])
    np.testing.assert_allclose(outer(dx), expected.reshape(x.shape), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("N,C,H,W,kernel,stride", CASES)
def test_averages(N, C, H, W, kernel, stride) -> None:
    x = positive(N, C, H, W)
    out = out_shape(x, kernel, stride, (0, 0))
    geometry = {"kernel": kernel, "stride": stride, "pad": (0, 0)}
    (y,) = run_kernel("pool_weighted_forward", [inner(x)], [(C, *out, N)], **geometry)
    for (oh, ow), rows, columns, _ in reference.windows((H, W), out, kernel, stride, (0, 0)):
        window = x[:, :, rows, columns].astype(np.float64)
        total = window.sum((2, 3))
        want = np.where(total > 0, (window**2).sum((2, 3)) / np.where(total > 0, total, 1), 0)
        np.testing.assert_allclose(outer(y)[:, :, oh, ow], want, rtol=1e-5)


def net(phase: str, more: str = "force_backward: true") -> netdef.Net:
    text = f"{more} layer x: Input {{ shape {{ dim: [3, 2, 6, 5] }} }} layer y: Pooling(x) {{ pool: STOCHASTIC kernel_size: 2 }}"
    return netdef.parse(text, phase=phase)


def test_training_is_testing_on_average() -> None:
    x = positive(3, 2, 6, 5)
    with runtime.compile(net("train"), threads=2) as exe, runtime.compile(net("test"), backward=False) as averaging:
        runs = [exe.forward(x=x)["y"] for _ in range(2000)]
        again = exe.forward(7, x=x)["y"]
        np.testing.assert_array_equal(again, runs[7])
        np.testing.assert_allclose(np.mean(runs, 0), averaging.forward(x=x)["y"], atol=0.1)
    assert len({run.tobytes() for run in runs}) == 2000


def test_shares_draw_the_same() -> None:
    x = positive(3, 2, 6, 5)
    results = []
    for devices in ("cpu", "cpu:0,cpu:0"):
        with runtime.compile(net("train"), devices, threads=7) as exe:
            y = exe.forward(x=x)["y"]
            exe.backward(y=np.ones(y.shape))
            results.append((y.tobytes(), exe.blob_grad("x").tobytes()))
    assert results[0] == results[1]


@pytest.mark.parametrize("phase", ["train", "test"])
def test_nan_is_not_hidden(phase: str) -> None:
    x = np.ones((3, 2, 6, 5), np.float32)
    x[1, 0, 2, 2] = np.nan
    with runtime.compile(net(phase, "")) as exe:
        assert np.isnan(exe.forward(x=x)["y"][1, 0, 1:3, 1:3]).all()


def test_there_is_no_gradient_in_testing() -> None:
    with pytest.raises(NetdefError, match=r"Pooling y: STOCHASTIC pooling has a gradient in training only"):
        runtime.compile_program(net("test"))
