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
        inference = compile_program(net, backward=False)
        assert [one.kernel for one in inference.forward][:3] == ["conv2d", "conv2d", fused]
    assert (found[0][0] < 0).any() == (slope > 0)
    assert all(mine.any() and mine.tobytes() == apart.tobytes() for mine, apart in zip(*found, strict=True))


@pytest.mark.parametrize("change", ["operation: MAX", "operation: PROD", ""])
def test_what_else_an_eltwise_is_stays(change: str) -> None:
    three = "" if change else ", c"
    made = kernels(f"layer d: TanH(c)\nlayer e: Eltwise(c, d{three}) {{ {change} }}\nlayer r: ReLU(e) -> e", "all")
    assert made[-1] == "relu_forward"


def test_a_relu_of_a_part_leaves_the_whole() -> None:
    """Its output has no room for the rest."""
    x, w, y = (Buffer(name, shape, "activation") for name, shape in (("x", (8, 2)), ("w", (4, 8)), ("y", (4, 2))))
    for rows, expected in ((4, ["inner_product"]), (3, ["inner_product", "relu_forward"])):
        part = y.view((rows, 2))
        relu = Instruction("relu_forward", (part,), (Buffer("z", part.shape, "activation"),), {"slope": 0.0})
        program = Program(NET, (Instruction("inner_product", (x, w), (y,), {"relu": False, "slope": 0.0}), relu))
        assert [one.kernel for one in fuse(program).forward] == expected
