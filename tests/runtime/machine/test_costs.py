"""Every instruction says what it moves and computes, on machines without a card too."""

from __future__ import annotations

import re

import pytest

from runtime.ir.program import Buffer, Instruction
from runtime.kernels.cpu.registry import CPU_KERNELS, WORK, work_of
from runtime.kernels.cuda.registry import CUDA_KERNELS, HOST_KERNELS
from runtime.kernels.operand import Operand
from runtime.kernels.rooms import OPS, load_rooms
from runtime.machine.costs import plain
from runtime.ops.update.product import name_of
from runtime.ops.update.table import ROWS


@pytest.fixture(autouse=True)
def _kernels() -> None:
    load_rooms("cpu")
    load_rooms("cuda")


def test_all_instructions_of_cards_declare_their_work() -> None:
    assert {*CUDA_KERNELS, *HOST_KERNELS} <= set(WORK)


def test_kernels_without_declared_work_are_launched_by_plans() -> None:
    launched = {name for file in OPS.glob("*/*.py") for name in re.findall(r'\blaunch\(\s*"(\w+)"', file.read_text())}
    launched |= {name_of(row) for row in ROWS.values()}  # the plan of each takes the name of its row
    assert set(CPU_KERNELS) - set(WORK) == launched - set(WORK)  # a plan may launch what is an instruction too


def test_an_instruction_that_declares_nothing_is_refused() -> None:
    with pytest.raises(LookupError, match="conv2d_direct does not say what it does"):
        work_of("conv2d_direct", [Operand((4,))], {})


def test_work_follows_from_shapes_and_constants() -> None:
    x, y = (Buffer(name, (2, 8, 8, 3), "input") for name in "xy")
    small, places = Buffer("small", (2, 4, 4, 3), "input"), Buffer("places", (2, 4, 4, 3), "input", "uint8")
    assert plain(Instruction("add", (x, x), (y,))).flops == 384
    assert plain(Instruction("add", (x, x), (y,))).bytes == 3 * 4 * 384
    window = {"kernel": (3, 3), "stride": (2, 2), "pad": (0, 0)}
    pooled = plain(Instruction("pool_max_forward", (x,), (small, places), window))
    assert (pooled.flops, pooled.bytes) == (9 * 96, 4 * 384 + 5 * 96)
    joined = Instruction("join_columns", (x.columns(24),), (Buffer("z", (16, 48), "input"),), {"offset": 24})
    assert (plain(joined).flops, plain(joined).bytes) == (0, 2 * 4 * 384)
