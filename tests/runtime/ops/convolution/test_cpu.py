"""Convolution kernels against a float64 reference written from the definition, and against its own numeric gradient."""

import numpy as np
import pytest

import netdef
import runtime
from runtime.ops.convolution.cpu import product_run
from tests.runtime.reference import convolution


def net(shape, fields: str, relu: str = "") -> netdef.Net:
    dims = " ".join(f"dim: {d}" for d in shape)
    text = f"force_backward: true layer x: Input {{ shape {{ {dims} }} }} layer y: Convolution(x) {{ {fields} }} {relu}"
    return netdef.parse(text)


CASES = [
    # (N, C, H, W), O, kernel, stride, pad, dilation, group
    ((1, 1, 1, 1), 1, (1, 1), (1, 1), (0, 0), (1, 1), 1),
    ((2, 3, 7, 5), 4, (3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((3, 4, 9, 8), 6, (5, 3), (2, 1), (2, 0), (1, 1), 2),
    ((1, 6, 11, 11), 3, (3, 3), (1, 1), (2, 2), (2, 2), 3),
    ((64, 3, 23, 23), 8, (11, 11), (4, 4), (0, 0), (1, 1), 1),
    ((5, 8, 6, 6), 8, (1, 1), (1, 1), (0, 0), (1, 1), 2),
    ((7, 2, 6, 7), 5, (2, 2), (3, 2), (1, 1), (1, 1), 1),
    ((2, 4, 5, 5), 4, (3, 3), (1, 1), (4, 4), (1, 1), 4),  # more padding than kernel
    ((33, 16, 9, 9), 20, (3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((17, 32, 6, 3), 6, (3, 3), (1, 1), (0, 2), (1, 1), 2),
    ((16, 16, 2, 1), 3, (3, 3), (1, 1), (4, 5), (1, 1), 1),  # more padding than tile
    ((16, 3, 6, 7), 16, (5, 3), (1, 1), (2, 1), (1, 1), 1),
    ((2, 6, 20, 22), 128, (3, 3), (1, 1), (1, 1), (1, 1), 2),  # blocks of outputs share packed runs
    ((1, 70, 5, 6), 65, (2, 3), (1, 1), (0, 1), (1, 1), 1),  # the same, deeper than one product
    ((1, 6, 7, 7), 6, (3, 3), (1, 1), (1, 1), (1, 1), 6),  # depthwise
    ((8, 5, 9, 11), 10, (3, 3), (2, 2), (1, 1), (1, 1), 5),
    ((3, 4, 8, 9), 4, (3, 5), (2, 1), (3, 6), (2, 1), 4),
]


@pytest.mark.parametrize("threads", [1, 7])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_forward_and_gradients(case, threads: int) -> None:
    shape, O, kernel, stride, pad, dilation, group = case
    fields = (
        f"num_output: {O} kernel_h: {kernel[0]} kernel_w: {kernel[1]} stride_h: {stride[0]} stride_w: {stride[1]} "
        f"pad_h: {pad[0]} pad_w: {pad[1]} dilation: {dilation[0]} dilation: {dilation[1]} group: {group}"
    )
    rng = np.random.default_rng(1)
    x = rng.standard_normal(shape)
    w = rng.standard_normal((O, shape[1] // group, *kernel))
    b = rng.standard_normal(O)
    with runtime.compile(net(shape, fields), threads=threads) as exe:
        exe.set_param("y", 0, w)
        exe.set_param("y", 1, b)
        y = exe.forward(x=x)["y"]
        dy = rng.standard_normal(y.shape)
        exe.backward(y=dy)
        dx, dw, db = exe.blob_grad("x"), exe.param_grad("y", 0), exe.param_grad("y", 1)

    def apply(x, w, b):
        return convolution(x, w, b, stride, pad, dilation, group)

    close(y, apply(x, w, b))
    close(db, dy.sum((0, 2, 3)))
    # The map is linear in x and in w: its gradient in a direction is its value there, exactly.
    for _ in range(3):
        u, v = rng.standard_normal(x.shape), rng.standard_normal(w.shape)
        zero = np.zeros_like(b)
        assert np.vdot(dx, u) == pytest.approx(np.vdot(dy, apply(u, w, zero)), rel=1e-4, abs=1e-3)
        assert np.vdot(dw, v) == pytest.approx(np.vdot(dy, apply(x, v, zero)), rel=1e-4, abs=1e-3)
    for c in range(w.shape[1]):  # and element by element in the corners, for all outputs at once: they share no weights
        unit = np.zeros_like(w)
        unit[:, c, 0, 0] = 1
        expected = np.einsum("nohw,nohw->o", dy, apply(x, unit, np.zeros_like(b)))
        assert dw[:, c, 0, 0] == pytest.approx(expected, rel=1e-4, abs=1e-3)


def close(ours: np.ndarray, expected: np.ndarray) -> None:
    assert ours.dtype == np.float32
    assert np.max(np.abs(ours - expected) / np.maximum(1, np.abs(expected))) < 1e-4


def test_results_do_not_depend_on_threads() -> None:
    shape, fields = (5, 6, 15, 13), "num_output: 8 kernel_size: 3 pad: 1 group: 2"
    rng = np.random.default_rng(2)
    x, dy = rng.standard_normal(shape), rng.standard_normal((5, 8, 15, 13))
    results = []
    for threads in (1, 2, 7):
        with runtime.compile(net(shape, fields + ' weight_filler { type: "xavier" }'), threads=threads, seed=3) as exe:
            y = exe.forward(x=x)["y"]
            exe.backward(y=dy)
            results.append([y, exe.blob_grad("x"), exe.param_grad("y", 0), exe.param_grad("y", 1)])
    for other in results[1:]:
        for first, second in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("slope", [0.0, 0.1])
def test_relu_is_fused_and_gives_the_same(slope: float) -> None:
    shape, fields = (3, 2, 6, 6), 'num_output: 4 kernel_size: 3 weight_filler { type: "gaussian" std: 1 }'
    relu = f"layer r: ReLU(y) -> y {{ negative_slope: {slope} }}"
    rng = np.random.default_rng(3)
    x, dy = rng.standard_normal(shape), rng.standard_normal((3, 4, 4, 4))
    fused = runtime.compile(net(shape, fields, relu), seed=1)
    plain = runtime.compile(net(shape, fields), seed=1)
    assert [one.kernel for one in fused.program.forward] == ["conv2d"]
    y, before = fused.forward(x=x)["y"], plain.forward(x=x)["y"]
    np.testing.assert_array_equal(y, np.where(before > 0, before, before * np.float32(slope)))
    fused.backward(y=dy)
    plain.backward(y=np.where(before > 0, dy, dy * slope))
    np.testing.assert_allclose(fused.blob_grad("x"), plain.blob_grad("x"), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(fused.param_grad("y", 0), plain.param_grad("y", 0), rtol=1e-6, atol=1e-5)


def test_a_nan_stays_a_nan() -> None:
    with runtime.compile(net((1, 1, 3, 3), "num_output: 1 kernel_size: 3", "layer r: ReLU(y) -> y")) as exe:
        assert np.isnan(exe.forward(x=np.full((1, 1, 3, 3), np.nan))["y"]).all()


@pytest.mark.parametrize(("positions", "items"), [(14 * 14, 12), (7 * 7, 4), (1, 1), (56 * 56, 175)])
def test_few_runs_are_of_an_even_number(positions: int, items: int) -> None:
    """Of ResNet-50's windows of one element, at batch 32."""
    assert -(-positions // product_run(positions, 32)) == items
