"""Fusion: which ReLUs are folded into the kernel before them."""

from __future__ import annotations

import netdef
from runtime.compiler.passes.fuse import fuse
from runtime.compiler.pipeline import compile_program
from runtime.ir.program import Buffer, Instruction, Program

NET = netdef.parse("layer data: Input { shape { dim: 2 dim: 3 dim: 8 dim: 8 } }\nlayer r: ReLU(data)\n")
CONV = "layer data: Input { shape { dim: 2 dim: 3 dim: 8 dim: 8 } }\nlayer c: Convolution(data) { num_output: 4 kernel_size: 3 }\n"


def kernels(text: str, keep: str) -> list[str]:
    program = compile_program(netdef.parse(CONV + text), backward=False, keep=keep, after="fuse")
    return [f"{step.kernel}{' +relu' if step.constants.get('relu') else ''}" for step in program.forward]


def test_a_relu_that_alone_reads_a_convolution() -> None:
    assert kernels("layer r: ReLU(c)", "outputs") == ["conv2d +relu"]
    assert kernels("layer r: ReLU(c) -> c", "all") == ["conv2d +relu"]


def test_what_others_read_is_made_as_it_is() -> None:
    assert kernels("layer r: ReLU(c)", "all") == ["conv2d", "relu_forward"]
    assert kernels("layer r: ReLU(c)\nlayer t: TanH(c)", "outputs") == ["conv2d", "relu_forward", "tanh_forward"]


def test_a_relu_of_a_part_leaves_the_whole() -> None:
    """Its output has no room for the rest."""
    x, w, y = (Buffer(name, shape, "activation") for name, shape in (("x", (8, 2)), ("w", (4, 8)), ("y", (4, 2))))
    for rows, expected in ((4, ["inner_product"]), (3, ["inner_product", "relu_forward"])):
        part = y.view((rows, 2))
        relu = Instruction("relu_forward", (part,), (Buffer("z", part.shape, "activation"),), {"slope": 0.0})
        program = Program(NET, (Instruction("inner_product", (x, w), (y,), {"relu": False, "slope": 0.0}), relu))
        assert [step.kernel for step in fuse(program).forward] == expected
