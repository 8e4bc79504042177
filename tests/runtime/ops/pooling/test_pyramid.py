"""SPP beside the poolings, Flattens and Concat that Caffe makes of it."""

import numpy as np
import pytest

import netdef
import runtime

SHAPES = [(1, 3, 5, 7), (3, 2, 12, 12), (5, 1, 8, 9)]


def separately(shape: tuple[int, ...], method: str, levels: int) -> str:
    """The layers that Caffe's SPP puts together."""
    text = []
    for level in range(levels):
        cells = 2**level
        (kh, kw) = (-(-size // cells) for size in shape[2:])
        ph, pw = ((k * cells - size + 1) // 2 for k, size in zip((kh, kw), shape[2:], strict=True))
        window = f"kernel_h: {kh} kernel_w: {kw} stride_h: {kh} stride_w: {kw} pad_h: {ph} pad_w: {pw}"
        text.append(f"layer p{level}: Pooling(x) {{ pool: {method} {window} }} layer f{level}: Flatten(p{level})")
    return " ".join(text) + f" layer y: Concat({', '.join(f'f{level}' for level in range(levels))})"


@pytest.mark.parametrize("devices", ["cpu", "cpu:0,cpu:0"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("method", ["MAX", "AVE"])
def test_a_pyramid(shape: tuple[int, ...], method: str, devices: str) -> None:
    levels = 3 if shape[2:] == (12, 12) else 2
    pyramid = f"layer y: SPP(x) {{ pyramid_height: {levels} pool: {method} }}"
    random, results = np.random.default_rng(1), []
    x = random.standard_normal(shape, np.float32)
    start = f"force_backward: true layer x: Input {{ shape {{ {' '.join(f'dim: {d}' for d in shape)} }} }} "
    for text in (pyramid, separately(shape, method, levels)):
        with runtime.compile(netdef.parse(start + text), devices, threads=7) as exe:
            y = exe.forward(x=x)["y"]
            exe.backward(y=np.random.default_rng(2).standard_normal(y.shape))
            results.append((y, exe.blob_grad("x")))
    for mine, caffes in zip(*results, strict=True):
        np.testing.assert_allclose(mine, caffes, rtol=1e-5, atol=1e-6)


def test_levels_draw_apart() -> None:
    """The cells of two levels that are the same windows draw different elements."""
    text = "layer x: Input { shape { dim: [40, 2, 4, 4] } } layer y: SPP(x) { pyramid_height: 2 pool: STOCHASTIC }"
    x = np.random.default_rng(1).random((40, 2, 4, 4))
    with runtime.compile(netdef.parse(text, phase="train")) as exe:
        kernels = [one for one in exe.program.forward if one.kernel == "pool_stochastic_forward"]
        assert len({one.constants["key"] for one in kernels}) == 2
        y = exe.forward(x=x)["y"].reshape(40, 10)
    assert all(np.isin(y[n], x[n].astype(np.float32)).all() for n in range(40))
