"""What plans promise: the CPU's parameters, grids that a card takes, a workspace within its limit."""

from __future__ import annotations

from math import prod

import pytest

import netdef
from runtime.compiler.pipeline import compile_program
from runtime.kernels.cuda.options import Target
from runtime.kernels.cuda.registry import Gemm, Launch, plan
from runtime.kernels.operand import Operand, operands_of
from runtime.ops.convolution.cuda import Windows
from runtime.ops.convolution.geometry import Geometry
from tests.runtime.kernels.cuda import zoo
from tests.runtime.kernels.cuda.checks import Check

GRID = (2**31 - 1, 65535, 65535)


def test_grids(checks: list[Check]) -> None:
    launches = [one for check in checks for one in check.plan.launches if isinstance(one, Launch)]
    large = netdef.load("alexnet", phase="train", batch_size=512)
    for launch in [*launches, *zoo.launches(compile_program(large, losses_only=True))]:
        assert all(1 <= extent <= most for extent, most in zip(launch.grid, GRID, strict=True)), launch
        assert 1 <= prod(launch.block) <= 512, launch


OUTPUTS = {"conv2d": [3], "conv2d_weight_gradient": [1], "conv2d_input_gradient": [0, 2]}  # whose rows are taken in chunks


@pytest.mark.slow
@pytest.mark.parametrize("limit", [1 << 20, 64 << 20, 1 << 30])
def test_workspace(limit: int) -> None:
    """Within the limit, unless one output row alone needs more."""
    for name in ("alexnet", "nin", "vgg16"):
        for one in compile_program(netdef.load(name, phase="train", batch_size=64), losses_only=True).instructions:
            if not one.kernel.startswith("conv2d"):
                continue
            made = plan(one.kernel, operands_of(one), one.constants, Target(limit, 0, conv="im2col"))
            rows = sum(part.batch for part in made.launches if isinstance(part, Gemm)) / one.constants["group"]
            heights = {one.buffers[index].shape[1] for index in OUTPUTS[one.kernel]}
            assert made.workspace <= limit or rows in heights, one
            if one.constants["kernel"] == (1, 1):
                assert made.workspace == 0 and rows == 1
            for conv in ("im2col", "tiles"):  # with sums in splits
                other = plan(one.kernel, operands_of(one), one.constants, Target(limit, conv=conv))
                assert other.workspace <= max(limit, made.workspace) or one.kernel == "conv2d_input_gradient", one


def test_chunks_cover_the_rows_once() -> None:
    x, y = Operand((3, 23, 23, 4)), Operand((2, 21, 21, 4))
    for limit in range(1, 4 * 27 * 21 * 4 * 30, 20011):
        windows = Windows(x, y, Geometry((3, 3), (1, 1), (0, 0), (1, 1), 1), limit)
        assert [row for first, last in windows.chunks for row in range(first, last)] == list(range(21))


def test_products_over_groups() -> None:
    """One for all groups; the weight gradients of few groups are few small results of long sums, and cut into splits."""
    for group, apart in ((1, 1), (2, 2), (4, 4), (8, 1)):
        x, y, w, b = (Operand(shape) for shape in ((16, 5, 5, 4), (16, 5, 5, 4), (16, 16 // group, 3, 3), (16,)))
        window = {"kernel": (3, 3), "stride": (1, 1), "pad": (1, 1), "dilation": (1, 1), "group": group}
        forward = plan("conv2d", [x, w, b, y], {**window, "has_bias": False, "relu": False, "slope": 0.0})
        for made, count in ((forward, 1), (plan("conv2d_weight_gradient", [x, y, w], window), apart)):
            gemms = [part for part in made.launches if isinstance(part, Gemm)]
            assert [gemm.batch for gemm in gemms] == count * [group // count]
