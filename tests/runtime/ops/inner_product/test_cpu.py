"""Inner product against NumPy in float64: any axis, both ways of storing the weights."""

import numpy as np
import pytest

import netdef
import runtime


@pytest.mark.parametrize("threads", [1, 7])
@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize(
    ("shape", "axis", "outputs"),
    [((1, 1), 1, 1), ((3, 4, 5), 1, 7), ((3, 4, 5, 2), 2, 3), ((2, 3, 7), -1, 1100), ((64, 10, 1, 1), 1, 513)],
    ids=str,
)
def test_forward_and_gradients(shape, axis: int, outputs: int, transpose: bool, threads: int) -> None:
    dims = " ".join(f"dim: {d}" for d in shape)
    fields = f"num_output: {outputs} axis: {axis} transpose: {str(transpose).lower()}"
    net = netdef.parse(f"force_backward: true layer x: Input {{ shape {{ {dims} }} }} layer y: InnerProduct(x) {{ {fields} }}")
    rng = np.random.default_rng(1)
    leading = shape[: axis % len(shape)]
    x = rng.standard_normal(shape)
    w = rng.standard_normal((outputs, int(np.prod(shape)) // int(np.prod(leading))))
    b = rng.standard_normal(outputs)
    with runtime.compile(net, threads=threads) as exe:
        exe.set_param("y", 0, w.T if transpose else w)
        exe.set_param("y", 1, b)
        y = exe.forward(x=x)["y"]
        dy = rng.standard_normal(y.shape)
        exe.backward(y=dy)
        dx, dw, db = exe.blob_grad("x"), exe.param_grad("y", 0), exe.param_grad("y", 1)
    rows, columns = x.reshape(*leading, -1).reshape(-1, w.shape[1]), dy.reshape(-1, outputs)
    close(y, (rows @ w.T + b).reshape(*leading, outputs))
    close(dx, (columns @ w).reshape(shape))
    close(dw.T if transpose else dw, columns.T @ rows)
    close(db, columns.sum(0))


def close(ours: np.ndarray, expected: np.ndarray) -> None:
    assert np.max(np.abs(ours - expected) / np.maximum(1, np.abs(expected))) < 1e-4


def test_axis_zero_is_refused_where_it_stands() -> None:
    net = netdef.parse("layer x: Input { shape { dim: 2 dim: 3 } }\nlayer y: InnerProduct(x) { num_output: 2 axis: 0 }")
    with pytest.raises(netdef.NetdefError, match=r"<text>:2:.*axis 0"):
        runtime.compile(net)
