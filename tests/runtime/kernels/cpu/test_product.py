"""Products of packed matrices against float64."""

import numpy as np
import pytest
from numba import njit

from runtime.kernels.cpu.bias_relu import Epilogue
from runtime.kernels.cpu.product import multiply, pack_row, pack_transposed, packed_size
from runtime.kernels.cpu.register_tile import LANES, ROWS, WIDTH, tile_for


@njit
def product(a, b, c, bias, more, epilogue, packed, depth_at_once, transposed):
    """c (M, columns) = a (M, K) times b, which is (K, columns), or (columns, K) if it is packed transposed."""
    (M, K), columns = a.shape, c.shape[1]
    for k0 in range(0, K, depth_at_once):
        depth = min(depth_at_once, K - k0)
        if transposed:
            for j in range(0, columns, LANES):
                pack_transposed(b.reshape(-1), j * K + k0, K, min(LANES, columns - j), packed, j, depth)
        else:
            for k in range(depth):
                pack_row(b.reshape(-1), (k0 + k) * columns, columns, packed, k, depth)
        last = k0 + depth == K
        multiply(
            a.reshape(-1), k0, K, M, packed, depth, c.reshape(-1), 0, columns, columns, bias, 0, k0 == 0, last, epilogue, more, 0
        )


SHAPES = [(1, 1, 1), (ROWS + 1, 7, LANES + 1), (3, 40, WIDTH), (2 * ROWS, 17, 2 * WIDTH - 1), (13, 33, WIDTH + 2 * LANES)]


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("epilogue", [Epilogue(), Epilogue(True, True, 0.0), Epilogue(False, True, 0.25, True)], ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_products_equal_float64_and_stay_inside(shape: tuple[int, int, int], epilogue: Epilogue, transposed: bool) -> None:
    M, K, columns = shape
    random = np.random.default_rng(1)
    a, b, bias = (random.integers(-9, 9, size).astype(np.float32) for size in ((M, K), (K, columns), M))
    c = np.full((M + 1, columns), np.nan, np.float32)
    packed = np.full(packed_size(16, columns), np.nan, np.float32)
    right = np.ascontiguousarray(b.T) if transposed else b
    more = random.integers(-9, 9, (M, columns)).astype(np.float32)
    product(a, right, c[:M], bias, more.reshape(-1), epilogue, packed, 16, transposed)
    exact = a.astype(np.float64) @ b + (bias[:, None] if epilogue.has_bias else 0) + (more if epilogue.added else 0)
    expected = np.where(exact < 0, exact * epilogue.slope, exact) if epilogue.relu else exact
    np.testing.assert_array_equal(c[:M], expected)
    assert np.isnan(c[M]).all()


def test_relu_of_infinity_is_zero_and_nan_stays() -> None:
    a, c = np.array([[-np.inf], [np.nan], [np.inf]], np.float32), np.empty((3, 1), np.float32)
    packed, one = np.zeros(packed_size(1, 1), np.float32), np.ones((1, 1), np.float32)
    product(a, one, c, one[0], one[0], Epilogue(False, True, 0.0), packed, 16, False)
    np.testing.assert_array_equal(c[:, 0], [0, np.nan, np.inf])


def test_a_tile_fits_the_registers_of_any_processor() -> None:
    for features, registers in (({"avx512f": True}, 32), ({"avx": True, "avx512f": False}, 16), ({}, 16)):
        _, rows = tile_for(features)
        assert rows * 3 + 3 + 1 <= registers
