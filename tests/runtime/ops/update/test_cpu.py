"""The update rule and clipping, term by term; the order of sums never changes."""

import numpy as np
import pytest

from runtime.kernels.cpu.jit import BLOCK, blocks
from runtime.kernels.cpu.registry import CPU_KERNELS
from runtime.machine.cpu.device import load_kernels
from tests.runtime.harness import run_kernel

SIZES = [1, 7, 3 * BLOCK + 5]


def values(size: int, seed: int) -> np.ndarray:
    return np.random.default_rng([seed, size]).standard_normal(size, dtype=np.float32)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("l1", [False, True])
def test_update(size: int, l1: bool) -> None:
    load_kernels()
    update = CPU_KERNELS["sgd_update"]
    results = []
    for parts in (1, 7):
        w, g, h = values(size, 0), values(size, 1), values(size, 2)
        w[0] = 0  # its sign is 0
        rate, scale = np.array([0.1], np.float32), np.array([0.5], np.float32)
        before = w.astype(np.float64), g.astype(np.float64), h.astype(np.float64)
        arguments = (w, g, h, rate, scale, 2.0, 0.01, 0.9, l1)
        items = update.items(*arguments)
        for part in range(parts):
            update.function(items * part // parts, items * (part + 1) // parts, *arguments)
        results.append((w, h))
    w0, g0, h0 = before
    step = 0.2 * (0.5 * g0 + 0.01 * (np.sign(w0) if l1 else w0)) + 0.9 * h0
    np.testing.assert_allclose(results[0][1], step, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(results[0][0], w0 - step, rtol=1e-5, atol=1e-6)
    for whole, cut in zip(*results, strict=True):
        assert whole.tobytes() == cut.tobytes()


def test_a_layer_that_does_not_learn_stays() -> None:
    load_kernels()
    w, h = values(10, 0), np.zeros(10, np.float32)
    one = np.ones(1, np.float32)
    CPU_KERNELS["sgd_update"].function(0, 1, w, values(10, 1), h, one, one, 0.0, 0.5, 0.9, False)
    np.testing.assert_array_equal(w, values(10, 0))


@pytest.mark.parametrize("size", SIZES)
def test_clipping(size: int) -> None:
    x = values(size, 0)
    (squares,) = run_kernel("sum_of_squares", [x], [((blocks(size),), "float64")])
    norm = np.sqrt(np.sum(x.astype(np.float64) ** 2))
    np.testing.assert_allclose(np.sqrt(squares.sum()), norm, rtol=1e-12)
    for clip, want in [(norm / 4, 0.25), (norm * 2, 1)]:
        (scale,) = run_kernel("clip_scale", [squares], [(1,)], clip=float(clip), scale=0.5)
        np.testing.assert_allclose(scale[0], 0.5 * want, rtol=1e-6)


def test_sub_batches_add_up() -> None:
    load_kernels()
    total = np.full(10, np.nan, np.float32)
    for added in range(3):
        CPU_KERNELS["accumulate"].function(0, 1, values(10, added), np.array([added], np.float32), total)
    np.testing.assert_allclose(total, sum(values(10, seed) for seed in range(3)), rtol=1e-6)
