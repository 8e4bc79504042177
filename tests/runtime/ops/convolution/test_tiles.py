"""Convolution by tiles of 4 x 4 outputs against float64."""

from fractions import Fraction

import numpy as np
import pytest

from runtime.kernels.cpu.bias_relu import Epilogue
from runtime.kernels.cpu.registry import launch
from runtime.kernels.operand import Operand
from runtime.kernels.rooms import load_rooms
from runtime.ops.convolution.geometry import Geometry, Pair
from runtime.ops.convolution.tiles import TERMS, A, B, G, pays, saves
from tests.runtime.harness import normal, run_launch
from tests.runtime.ops.convolution.test_winograd import by, exact

ONE = (1, 1)

load_rooms("cpu")


def by_tiles(
    x: np.ndarray, w: np.ndarray, b: np.ndarray, pad: Pair, run: int, block: int, epilogue: Epilogue, group: int = 1
) -> np.ndarray:
    """y (O, OH, OW, N), in runs of so many tiles and blocks of outputs."""
    height, width = (x.shape[1 + i] + 2 * pad[i] - 2 for i in range(2))
    y = np.full((len(w), height, width, x.shape[3]), np.nan, np.float32)
    transformed = np.full((TERMS, *w.shape[:2]), np.nan, np.float32)
    geometry = Geometry((3, 3), ONE, pad, ONE, group)
    operands = [Operand(array.shape) for array in (x, w, b, y, transformed)]
    run_launch(launch("transform_tile_weights", operands[1], operands[4]), [w, transformed], 3)
    options = {"geometry": geometry, "epilogue": epilogue, "run": run, "block": block}
    made = launch("conv2d_tiles", operands[0], operands[4], operands[2], operands[3], **options)
    run_launch(made, [x, transformed, b, y], made.items)
    return y


CASES = [  # C, H, W, N of x; pad; outputs; group
    ((16, 7, 8, 16), (1, 1), 16, 1),
    ((300, 3, 4, 19), (1, 1), 17, 1),  # more channels than one product takes
    ((34, 5, 11, 17), (0, 2), 36, 2),
    ((16, 1, 1, 33), (2, 3), 18, 1),
    ((17, 14, 15, 1), (1, 1), 16, 1),
    ((16, 23, 70, 1), (0, 2), 3, 1),  # rows of more tiles than a vector has lanes
    ((34, 9, 6, 3), (1, 1), 36, 2),
    ((16, 6, 9, 8), (0, 3), 18, 1),
]


@pytest.mark.slow
@pytest.mark.parametrize(("run", "block"), [(1, 100), (2, 8), (100, 5)])
@pytest.mark.parametrize(("shape", "pad", "O", "group"), CASES, ids=str)
def test_sums_equal_float64_in_any_runs(shape: tuple[int, ...], pad: Pair, O: int, group: int, run: int, block: int) -> None:
    x, w, b = (normal(*size).astype(np.float32) for size in (shape, (O, shape[0] // group, 3, 3), (O,)))
    halves = zip(np.split(x, group), np.split(w, group), strict=True)
    right = np.concatenate([exact(part, weights, pad) for part, weights in halves]) + b[:, None, None, None]
    epilogue = Epilogue(has_bias=True, relu=run == 2, slope=0.25)
    expected = np.where(right < 0, 0.25 * right, right) if epilogue.relu else right
    found = by_tiles(x, w, b, pad, run, block, epilogue, group)
    assert np.max(np.abs(found - expected)) < 2e-5 * np.sqrt(np.mean(right**2))


def test_runs_and_blocks_do_not_change_a_bit() -> None:
    x, w, b = (normal(*size).astype(np.float32) for size in ((32, 9, 10, 18), (20, 32, 3, 3), (20,)))
    first, *others = (by_tiles(x, w, b, ONE, run, block, Epilogue(True)) for run, block in ((1, 8), (3, 20), (100, 1)))
    for other in others:
        np.testing.assert_array_equal(first, other)


def test_rounding_is_a_few_times_that_of_the_direct_sum() -> None:
    """Of inputs after a ReLU, as nets have them."""
    x, w = np.maximum(normal(64, 14, 14, 16), 0).astype(np.float32), normal(24, 64, 3, 3).astype(np.float32)
    right, direct = exact(x, w, ONE), by("conv2d_direct", x, w, ONE, 14)
    found = by_tiles(x, w, w[:, 0, 0, 0].copy(), ONE, 5, 24, Epilogue())
    tiles, sums = (np.sqrt(np.mean((y - right) ** 2)) for y in (found, direct))
    assert 0 < tiles < 6 * sums


def test_the_transforms_are_exact() -> None:
    """A ((G w) * (B x)) is the convolution, in whole fractions but for the rounding of G to float64."""
    x, w = [Fraction(k * k + 1, 3) for k in range(6)], [Fraction(2 * k - 1, 5) for k in range(3)]
    terms = [float(sum(Fraction(g) * v for g, v in zip(row, w, strict=True))) for row in G]
    terms = [term * float(sum(Fraction(b) * v for b, v in zip(row, x, strict=True))) for term, row in zip(terms, B, strict=True)]
    found = [sum(a * term for a, term in zip(row, terms, strict=True)) for row in A]
    assert found == pytest.approx([float(sum(x[i + k] * w[k] for k in range(3))) for i in range(4)], rel=1e-14)


def test_where_it_pays() -> None:
    plain = Geometry((3, 3), ONE, (0, 0), ONE, 1)
    assert pays(plain, 16, 16, 16)
    assert not any(pays(plain, *sizes) for sizes in ((15, 16, 16), (16, 15, 16), (16, 16, 15)))
    for field, value in (("kernel", (3, 5)), ("stride", (2, 1)), ("dilation", (1, 2))):
        assert not pays(plain._replace(**{field: value}), 64, 64, 64)
    assert saves(7, 7, 49)
    assert not saves(2, 2, 4)  # a tile has 36 terms, and so many products
