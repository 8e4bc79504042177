"""Embed beside NumPy's indexing: one axis and several, numbers that are no rows, threads and shares."""

import numpy as np
import pytest

import netdef
import runtime
from netdef import NetdefError
from tests.runtime.harness import normal, run_kernel

SHAPES = [(1,), (7,), (5, 3), (64, 2, 3)]
K, D = 9, 21


def net(shape: tuple[int, ...], more: str = "") -> netdef.Net:
    dims = " ".join(f"dim: {size}" for size in shape)
    text = f"layer x: Input {{ shape {{ {dims} }} }}\nlayer y: Embed(x) {{ num_output: {D} input_dim: {K} {more} }}"
    return netdef.parse(text, phase="train")


@pytest.mark.parametrize("devices", ["cpu", "cpu:0,cpu:0"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_values_and_gradients(shape: tuple[int, ...], bias: bool, devices: str) -> None:
    random = np.random.default_rng([*shape])
    x, dy = random.integers(0, K, shape), random.standard_normal((*shape, D), np.float32)
    w, b = random.standard_normal((K, D), np.float32), random.standard_normal(D, np.float32)
    with runtime.compile(net(shape, f"bias_term: {str(bias).lower()}"), devices, threads=7) as exe:
        exe.set_param("y", 0, w)
        if bias:
            exe.set_param("y", 1, b)
        np.testing.assert_allclose(exe.forward(x=x)["y"], w[x] + (b if bias else 0), rtol=1e-6)
        exe.backward(y=dy)
        expected = np.zeros((K, D))
        np.add.at(expected, x.ravel(), dy.reshape(-1, D))
        np.testing.assert_allclose(exe.param_grad("y", 0), expected, rtol=1e-5, atol=1e-5)
        if bias:
            np.testing.assert_allclose(exe.param_grad("y", 1), dy.reshape(-1, D).sum(0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("number", [-1, K, np.nan, 1e20])
def test_a_number_that_is_no_row(number: float) -> None:
    with (
        runtime.compile(net((3,)), threads=1) as exe,
        pytest.raises(NetdefError, match=r"Embed y: image 1 of the batch has label .* \(x\[1\]\), the table has 9 rows"),
    ):
        exe.forward(x=[0, number, 1])


def test_the_gradient_does_not_depend_on_threads() -> None:
    x = np.random.default_rng(1).integers(0, 3, (4, 50)).astype(np.float32)
    (dw,) = run_kernel("embed_gradient", [x, normal(4, 40, 50).astype(np.float32)], [(5, 40)])
    assert not dw[3:].any()
