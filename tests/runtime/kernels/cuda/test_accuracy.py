"""How far each mode of matrix products is from float64, for sums as long as AlexNet's: what the default on cards is chosen by."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from runtime.kernels.cuda.options import FAST_TENSOR_CORES, MATHS, CudaOptions, Target
from runtime.kernels.cuda.registry import source
from tests.runtime.kernels.cuda.cases.case import Case, Spec, normal, out, positive
from tests.runtime.kernels.cuda.checks import Check, on_cpu, on_cuda, planned
from tests.runtime.kernels.cuda.on_cpu import Module, build
from tests.runtime.kernels.cuda.running import functions_of

TERMS = 2304  # of conv3's sums
WINDOW = {"kernel": (1, 3), "stride": (1, 1), "pad": (0, 0), "dilation": (1, 1), "group": 1}
Draw = Callable[..., Spec]


def checked(math: str, draw: Draw) -> Check:
    arrays = draw(TERMS // 3, 1, 6, 8), draw(16, TERMS // 3, 1, 3), normal(16), out(16, 1, 4, 8)
    constants = {**WINDOW, "has_bias": False, "relu": False, "slope": 0.0}
    return planned(Case("conv2d", arrays, constants, target=Target(multiprocessors=1, math=math)), 0)


@pytest.fixture(scope="module")
def tiles() -> dict[str, Module]:
    (names,) = functions_of(checked(math, normal).plan for math in MATHS).values()
    return {"implicit.cu": build(source("implicit.cu"), names)}


def error(math: str, draw: Draw, tiles: dict[str, Module]) -> float:
    """Root mean square, as a share of that of the results."""
    check = checked(math, draw)
    assert check.functions[0].startswith("conv_tiles<")
    x, w, _, y = (array.astype(np.float64) for array in on_cuda(check, tiles, 1))
    exact = sum(np.einsum("oc,chwn->ohwn", w[:, :, 0, j], x[:, :, j : j + 4]) for j in range(3))
    return float(np.sqrt(np.mean((y - exact) ** 2) / np.mean(exact**2)))


@pytest.mark.slow
@pytest.mark.parametrize("draw", [normal, positive])
def test_three_products_of_tf32_are_as_exact_as_float32(draw: Draw, tiles: dict[str, Module]) -> None:
    fp32, three, tf32, bf16 = (error(math, draw, tiles) for math in MATHS)
    assert three < fp32 < 2e-6
    assert 10 * fp32 < tf32 < 1e-3
    assert 2 * tf32 < bf16 < 1e-2


def wild(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    values = random.standard_normal(shape)
    values.reshape(-1)[:6] = np.inf, -np.inf, 3.4028e38, -3.4028e38, 0, np.nan
    return values


def few(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers whose second TF32 number is zero, and others; one infinite, each sign."""
    weights = random.standard_normal(shape) / 1000
    weights[:3] = np.reshape([0, 1, -1], (3, 1, 1, 1))
    weights[3, 2], weights[4, 2] = np.inf, -np.inf
    return weights


@pytest.mark.slow
def test_three_products_are_infinite_or_nan_where_float32_is(modules: dict[str, Module]) -> None:
    geometry = {**WINDOW, "kernel": (1, 1), "has_bias": False, "relu": False, "slope": 0.0}
    arrays = Spec((8, 3, 4, 8), wild), Spec((9, 8, 1, 1), few), normal(9), out(9, 3, 4, 8)
    case = Case("conv2d", arrays, geometry, target=Target(multiprocessors=1, math="3xtf32"))
    check = planned(case, 0)
    assert check.functions == ["conv_tiles<2, 32>"]
    expected = on_cpu(case)
    assert np.isinf(expected[3]).sum() > 50 and np.isnan(expected[3]).any()
    np.testing.assert_allclose(on_cuda(check, modules, 1)[3], expected[3], rtol=1e-5, atol=1e-5)


def test_the_default_is_the_fastest_exact_mode() -> None:
    for capability in FAST_TENSOR_CORES:
        assert CudaOptions().target(capability=capability).math == "3xtf32"
    for capability in ((8, 6), (8, 9), (12, 0)):
        assert CudaOptions().math_on(capability) == "fp32"
        assert CudaOptions(math="tf32").math_on(capability) == "tf32"
    assert CudaOptions(math="bf16").math_on((7, 5)) == "fp32"
