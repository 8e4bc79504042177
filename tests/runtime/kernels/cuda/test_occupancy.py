"""How many blocks run at once, against what NVIDIA's occupancy tables say; and the table of registers against the compiler."""

from __future__ import annotations

import pytest

from runtime.kernels.cuda.occupancy import blocks_at_once, blocks_of, compiler, filled, resources
from runtime.kernels.cuda.options import CudaOptions, Target
from runtime.kernels.cuda.registry import Launch, files, source
from tests.runtime.kernels.cuda import nvrtc
from tests.runtime.kernels.cuda.test_packs import KERNEL


@pytest.mark.parametrize(
    ("registers", "shared", "threads", "most", "blocks"),
    [
        (32, 0, 256, 2048, 8),  # as many threads as there may be
        (33, 0, 256, 2048, 6),  # registers come in units of 8: 40
        (128, 0, 128, 2048, 4),
        (255, 0, 256, 2048, 1),
        (32, 17 << 10, 256, 2048, 3),  # by shared memory
        (16, 0, 32, 2048, 32),  # as many blocks as there may be
        (32, 0, 256, 1024, 4),  # of a T4
        (16, 0, 33, 2048, 32),
    ],
)
def test_blocks_of_a_multiprocessor(registers: int, shared: int, threads: int, most: int, blocks: int) -> None:
    assert blocks_of(registers, shared, threads, most) == blocks


def test_cards_that_hold_fewer_threads() -> None:
    assert [CudaOptions().target(1, card).threads for card in ((7, 0), (7, 5), (8, 0), (8, 9), (9, 0))] == [
        2048,
        1024,
        2048,
        1536,
        2048,
    ]


def test_waves_of_a_launch() -> None:
    """132 multiprocessors, each of which runs 4 blocks of 128 threads of a kernel that nothing is known of: 528 at once."""
    target = Target(multiprocessors=132)
    assert blocks_at_once("unknown<4>", 128, target) == 4
    for grid, share in (((528, 1, 1), 1.0), ((264, 2, 1), 1.0), ((529, 1, 1), 529 / 1056), ((1, 1, 1), 1 / 528)):
        assert filled(Launch("", "unknown<4>", grid, (128, 1, 1), ()), target) == share


def test_every_kernel_is_in_the_table() -> None:
    """python tools/make_registers.py writes it again."""
    kernels = {kernel["name"] for file in files() for kernel in KERNEL.finditer(source(file))}
    assert {nvrtc.bare(name) for name in resources()} <= kernels
    assert (12, 0) <= compiler() < (100, 0)
    assert {"lrn_forward", "lrn_backward_relu_bias", "pool_max_backward", "relu_backward_bias"} <= set(resources())


@pytest.mark.slow
@pytest.mark.parametrize("threads", [128, 256])
def test_the_table_is_what_the_compiler_says(threads: int, every_form: list[nvrtc.Compiled]) -> None:
    """No form runs in fewer blocks at once than it has; python tools/make_registers.py writes it again."""
    if nvrtc.release() != compiler():
        pytest.skip(f"the table is of NVRTC {compiler()}, and this is {nvrtc.release()}, which may take other registers")
    for form in every_form:
        made = blocks_of(form.resources.registers, form.resources.shared, threads, 2048)
        assert blocks_at_once(form.function, threads, Target()) <= made, form
