"""Fusion: which ReLUs are folded into the kernel before them."""

from __future__ import annotations

import numpy as np
import pytest

import netdef
import runtime
from runtime.compiler.passes.fuse import fuse
from runtime.compiler.pipeline import compile_program
from runtime.ir.program import Buffer, Instruction, Program

NET = netdef.parse("layer data: Input { shape { dim: 2 dim: 3 dim: 8 dim: 8 } }\nlayer r: ReLU(data)\n")
CONV = "layer data: Input { shape { dim: 2 dim: 3 dim: 8 dim: 8 } }\nlayer c: Convolution(data) { num_output: 4 kernel_size: 3 }\n"


def kernels(text: str, keep: str) -> list[str]:
    program = compile_program(netdef.parse(CONV + text), backward=False, keep=keep, after="fuse")
    return [f"{one.kernel}{' +relu' if one.constants.get('relu') else ''}" for one in program.forward]


def test_a_relu_that_alone_reads_a_convolution() -> None:
    assert kernels("layer r: ReLU(c)", "outputs") == ["conv2d +relu"]
    assert kernels("layer r: ReLU(c) -> c", "all") == ["conv2d +relu"]


def test_what_others_read_is_made_as_it_is() -> None:
    assert kernels("layer r: ReLU(c)", "all") == ["conv2d", "relu_forward"]
    assert kernels("layer r: ReLU(c)\nlayer t: TanH(c)", "outputs") == ["conv2d", "relu_forward", "tanh_forward"]


@pytest.mark.parametrize(
    ("coefficients", "slope", "fused"),
    [("", 0.0, "add_relu"), ("coeff: 1 coeff: 1", 0.1, "add_relu"), ("coeff: 0.5 coeff: -2", 0.1, "scaled_add_relu")],
)
def test_a_sum_and_the_relu_behind_it(coefficients: str, slope: float, fused: str) -> None:
    """In training and in inference; the numbers, those of backward too, are those of layers apart, bit for bit."""
    text = f"""{CONV}
    layer d: Convolution(data) {{ num_output: 4 kernel_size: 3 }}
    layer e: Eltwise(c, d) {{ {coefficients} }}
    layer r: ReLU(e) -> NAME {{ negative_slope: {slope} }}
    layer loss: Reduction(NAME) {{ operation: SUMSQ loss_weight: 1 }}
    """
    found = []
    for name in ("e", "apart"):  # in place, and where e can still be read
        net = netdef.parse(text.replace("NAME", name).replace("num_output: 4", 'num_output: 4 weight_filler { type: "xavier" }'))
        with runtime.compile(net, seed=3) as exe:
            kernels = [one.kernel for one in exe.program.forward]
            assert (fused in kernels, "relu_forward" in kernels) == (name == "e", name != "e")
            exe.forward(data=np.random.default_rng(0).standard_normal((2, 3, 8, 8), np.float32))
            exe.backward()
            found.append([exe.blob(name), *(exe.param_grad(layer, index) for layer in "cd" for index in (0, 1))])
        inference = [one.kernel for one in compile_program(net, backward=False).forward]
        assert inference[:2] == ["conv2d", "conv2d_add"] if fused == "add_relu" else inference[:3] == ["conv2d", "conv2d", fused]
    assert (found[0][0] < 0).any() == (slope > 0)
    assert all(mine.any() and mine.tobytes() == apart.tobytes() for mine, apart in zip(*found, strict=True))


RESIDUAL = """
layer data: Input { shape { dim: IMAGES dim: 24 dim: 9 dim: 9 } }
layer a: Convolution(data) { num_output: 300 kernel_size: 1 }
layer b: Convolution(a) { num_output: OUTPUTS kernel_size: SIZE pad: PAD }
layer c: Convolution(data) { num_output: OUTPUTS kernel_size: 1 }
layer e: Eltwise(ORDER)
layer r: ReLU(e) -> e
"""


@pytest.mark.parametrize("order", ["b, c", "c, b"])
@pytest.mark.parametrize(("images", "outputs", "size"), [(1, 70, 1), (3, 12, 1), (40, 12, 1), (2, 16, 3)])
def test_a_convolution_adds_what_a_sum_adds_to_it(order: str, images: int, outputs: int, size: int) -> None:
    """Bit for bit, by windows that are packed once, by windows, and by tiles."""
    text = RESIDUAL.replace("IMAGES", str(images)).replace("OUTPUTS", str(outputs)).replace("ORDER", order)
    text = text.replace("SIZE", str(size)).replace("PAD", str(size // 2))
    net = netdef.parse(text.replace("kernel_size", 'weight_filler { type: "gaussian" std: 0.1 } kernel_size'))
    x, found = np.random.default_rng(0).standard_normal((images, 24, 9, 9), np.float32), []
    for keep, kernels in (("outputs", ["conv2d", "conv2d", "conv2d_add"]), ("all", ["conv2d", "conv2d", "conv2d", "add_relu"])):
        with runtime.compile(net, seed=3, backward=False, keep=keep) as exe:
            assert [one.kernel for one in exe.program.forward] == kernels
            assert exe.program.forward[-1].constants["slope"] == 0
            found.append(exe.forward(data=x)["e"])
    assert found[0].any()
    assert found[0].tobytes() == found[1].tobytes()


@pytest.mark.parametrize("images", [1, 40])
@pytest.mark.parametrize("order", ["b, c, d", "d, c, b", "c, b, d"])
def test_three_convolutions_are_added(order: str, images: int) -> None:
    text = RESIDUAL.replace("IMAGES", str(images)).replace("OUTPUTS", "12").replace("ORDER", order)
    text = text.replace("SIZE", "1").replace("PAD", "0")
    text = text.replace("layer e:", "layer d: Convolution(a) { num_output: 12 kernel_size: 1 }\nlayer e:")
    net = netdef.parse(text.replace("kernel_size", 'weight_filler { type: "gaussian" std: 0.1 } kernel_size'))
    x, found = np.random.default_rng(0).standard_normal((images, 24, 9, 9), np.float32), []
    for keep in ("outputs", "all"):
        with runtime.compile(net, seed=3, backward=False, keep=keep) as exe:
            assert ("conv2d_add" in [one.kernel for one in exe.program.forward]) == (keep == "outputs")
            found.append(exe.forward(data=x)["e"])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-4, atol=1e-4)


def test_a_sum_that_a_convolution_cannot_do_stays() -> None:
    """Where others read its result, where it is added to itself, and of one channel a group."""
    assert kernels("layer t: TanH(c)\nlayer e: Eltwise(c, t)", "outputs") == ["conv2d", "tanh_forward", "add"]
    assert kernels("layer e: Eltwise(c, c)", "outputs") == ["conv2d", "add"]
    depthwise = "layer d: Convolution(data) { num_output: 3 group: 3 kernel_size: 1 }\nlayer e: Eltwise(d, data)"
    assert kernels(depthwise, "outputs")[1:] == ["conv2d", "add"]


@pytest.mark.parametrize("change", ["operation: MAX", "operation: PROD", ""])
def test_what_else_an_eltwise_is_stays(change: str) -> None:
    three = "" if change else ", c"
    made = kernels(f"layer d: TanH(c)\nlayer e: Eltwise(c, d{three}) {{ {change} }}\nlayer r: ReLU(e) -> e", "all")
    assert made[-1] == "relu_forward"


def test_a_relu_of_a_region_leaves_the_whole() -> None:
    """Its output has no room for the rest."""
    x, w, y = (Buffer(name, shape, "activation") for name, shape in (("x", (8, 2)), ("w", (4, 8)), ("y", (4, 2))))
    for rows, expected in ((4, ["inner_product"]), (3, ["inner_product", "relu_forward"])):
        part = y.view((rows, 2))
        relu = Instruction("relu_forward", (part,), (Buffer("z", part.shape, "activation"),), {"slope": 0.0})
        program = Program(NET, (Instruction("inner_product", (x, w), (y,), {"relu": False, "slope": 0.0}), relu))
        assert [one.kernel for one in fuse(program).forward] == expected
