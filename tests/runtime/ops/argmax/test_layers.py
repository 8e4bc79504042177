"""ArgMax beside a sort: any axis, ties, NaN, several threads and shares."""

import numpy as np
import pytest

import netdef
import runtime

SHAPES = [(1, 7), (5, 9), (3, 4, 5, 7), (64, 5, 2, 3), (2, 70, 1, 67)]


def order(x: np.ndarray, axis: int) -> np.ndarray:
    """Indices from the first to the last: NaN, then the larger ones; of equals the later one, as in Caffe."""
    return np.flip(np.argsort(np.where(np.isnan(x), np.inf, x), axis, kind="stable"), axis)


def made_of(x: np.ndarray, fields: str, devices: str = "cpu") -> np.ndarray:
    dims = " ".join(f"dim: {size}" for size in x.shape)
    text = f"layer x: Input {{ shape {{ {dims} }} }}\nlayer a: ReLU(x) {{ negative_slope: 1 }}\nlayer y: ArgMax(a) {{ {fields} }}"
    with runtime.compile(netdef.parse(text, phase="test"), devices, threads=7) as exe:
        return exe.forward(x=x)["y"]


def numbers(shape: tuple[int, ...]) -> np.ndarray:
    random = np.random.default_rng([*shape])
    x = np.round(2 * random.standard_normal(shape)) / 2
    x[random.random(shape) < 0.02] = np.nan
    return x


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("values", [False, True])
def test_along_an_axis(shape: tuple[int, ...], axis: int, values: bool) -> None:
    x = numbers(shape)
    k = min(3, shape[axis])
    first = np.take(order(x, axis), range(k), axis)
    right = np.take_along_axis(x, first, axis) if values else first
    made = made_of(x, f"axis: {axis} top_k: {k} out_max_val: {str(values).lower()}")
    np.testing.assert_array_equal(made, right)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("devices", ["cpu", "cpu:0,cpu:0"])
def test_over_all_of_an_image(shape: tuple[int, ...], devices: str) -> None:
    x = numbers(shape)
    rows = x.reshape(len(x), -1)
    first = order(rows, 1)[:, :4]
    made = made_of(x, "top_k: 4 out_max_val: true", devices)
    assert made.shape == (len(x), 2, 4, *[1] * (x.ndim - 3))
    np.testing.assert_array_equal(made.reshape(len(x), 2, 4), np.stack([first, np.take_along_axis(rows, first, 1)], 1))
    np.testing.assert_array_equal(made_of(x, "", devices).reshape(len(x)), first[:, 0])


def test_nothing_learns_from_it() -> None:
    text = "force_backward: true layer x: Input { shape { dim: 2 dim: 4 } } layer y: ArgMax(x) { top_k: 2 out_max_val: true }"
    with runtime.compile(netdef.parse(text)) as exe:
        exe.forward(x=np.eye(2, 4))
        exe.backward()
        assert not exe.blob_grad("x").any()
