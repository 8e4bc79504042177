"""Bytes and operations of instructions, against what is known of AlexNet and what the stand-in card carries out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import netdef
from netdef import NetdefError
from runtime.compiler.pipeline import compile_program
from runtime.kernels.cuda.options import CudaOptions, Target
from runtime.machine.costs import Cost, launches, plain, total
from runtime.machine.limits import CARDS, Limits, find_limits
from runtime.solver.update import updates

BATCH = 16
FLOAT = 4


@pytest.fixture(scope="module")
def alexnet():
    solver = netdef.load_solver(netdef.language.find.models_folder() / "solver.txt").message
    net = netdef.load("alexnet", phase="train", batch_size=BATCH)
    return compile_program(net, losses_only=True, keep="activations", update=updates(solver))


def of(program, kernel: str, layer: str):
    return next(one for one in program.instructions if (one.kernel, one.layer) == (kernel, layer))


def cost(one) -> Cost:
    return total(launches(one, Target(conv="im2col")))


def test_products_are_the_macs_that_the_net_is_known_for(alexnet) -> None:
    for one in alexnet.instructions:
        assert cost(one).products == 2 * one.macs * BATCH, one
        assert plain(one).products == 2 * one.macs * BATCH, one


def test_normalisation_reads_and_writes_every_number_once(alexnet) -> None:
    numbers = BATCH * 96 * 55 * 55
    assert cost(of(alexnet, "lrn_forward", "norm1")).bytes == 2 * FLOAT * numbers
    assert cost(of(alexnet, "lrn_backward", "norm1")).bytes == 3 * FLOAT * numbers


def test_pooling_moves_its_indices_too(alexnet) -> None:
    large, small = BATCH * 96 * 55 * 55, BATCH * 96 * 27 * 27
    assert cost(of(alexnet, "pool_max_forward", "pool1")).bytes == FLOAT * large + (FLOAT + 1) * small
    assert cost(of(alexnet, "pool_max_backward", "pool1")).bytes == FLOAT * large + (FLOAT + 1) * small


def test_an_update_reads_three_and_writes_two_arrays(alexnet) -> None:
    updates = [one for one in alexnet.update if one.kernel == "sgd_update"]
    assert sum(cost(one).bytes for one in updates) == FLOAT * (5 * 60_965_224 + 2 * len(updates))  # and rate and scale


def test_a_convolution_moves_its_windows_twice(alexnet) -> None:
    x, y, w, b = BATCH * 3 * 227 * 227, BATCH * 96 * 55 * 55, 96 * 363, 96
    windows = BATCH * 363 * 55 * 55
    one = of(alexnet, "conv2d", "conv1")
    made = launches(one, Target(1 << 40, conv="im2col"))  # in one chunk: im2col, product, bias and ReLU
    assert [part.bytes for part in made] == [
        FLOAT * (x + windows), FLOAT * (w + windows + y), FLOAT * (2 * y + b),
    ]  # fmt: skip
    chunks = launches(one, Target(1 << 20, conv="im2col"))  # a row of outputs each: it sees 11 rows of the image
    assert len(chunks) == 2 * 55 + 1
    seen = BATCH * 3 * 55 * 11 * 227
    assert sum(part.bytes for part in chunks) == FLOAT * (seen + 2 * windows + 3 * y + b + 55 * w)


def test_tiles_move_what_a_convolution_reads_and_writes(alexnet) -> None:
    """Once each; copies of windows make it five times as much in AlexNet's training."""
    x, y, w, b = BATCH * 3 * 227 * 227, BATCH * 96 * 55 * 55, 96 * 363, 96
    (made,) = launches(of(alexnet, "conv2d", "conv1"), Target())
    assert (made.bytes, made.products) == (FLOAT * (x + y + w + b), 2 * w * y // 96)
    convolutions = [one for one in alexnet.instructions if one.kernel.startswith("conv2d")]
    copied, tiled = (sum(total(launches(one, Target(conv=conv))).bytes for one in convolutions) for conv in ("im2col", "tiles"))
    assert copied > 5 * tiled


def test_the_floor_is_the_slower_of_memory_and_arithmetic() -> None:
    limits = Limits("slow", bandwidth=100, fp32=10, tf32=20, source="")
    assert Cost(bytes=1000, flops=10).seconds(limits) == 10
    assert Cost(bytes=100, flops=10, products=100).seconds(limits) == 11
    assert Cost(bytes=100, flops=10, products=100).seconds(limits, "tf32") == 6
    assert Cost(products=60).seconds(limits, "3xtf32") == pytest.approx(9)  # three products of tensor cores for one
    assert Cost(products=60, single=20).seconds(limits, "3xtf32") == pytest.approx(8)  # and what CUDA cores do in any mode
    assert Cost(products=60).seconds(limits, "bf16") == 1.5


def test_cards_are_found_by_name() -> None:
    assert find_limits("H100") is CARDS["h100"]
    assert CARDS["t4"].products("tf32") == CARDS["t4"].fp32
    with pytest.raises(NetdefError, match=r"no numbers for a card 409\n.*4090"):
        find_limits("409")


@pytest.mark.slow
def test_products_are_those_that_the_card_carries_out(machine: Callable, execute: Callable) -> None:
    """The stand-in counts what is asked of cuBLAS."""
    import runtime
    from tests.runtime.machine.cuda.networks import LENET, inputs

    machine(execute=execute, seed=None)
    net, copies = netdef.parse(LENET, phase="train"), CudaOptions(conv="im2col")
    with runtime.compile(net, "gpu:0", losses_only=True, cuda=copies) as executable:
        executable.forward(**inputs(executable.net))
        executable.backward()
        executable.device.synchronize()
        done = executable.device._library.flops
        assert done == sum(cost(one).products for one in executable.program.instructions) > 0
