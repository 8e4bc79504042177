"""A program that is too large for a card: what it needs, what there is, and what would fit."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

import netdef
import runtime
from netdef import NetdefError
from netdef.cli.main import run
from runtime.kernels.cuda.options import MB, CudaOptions
from runtime.machine.cuda import needs as cuda_needs
from runtime.machine.fit import needed
from runtime.solver.solver import Solver
from tests.runtime.machine.cuda.fake_cupy import Cards
from tests.runtime.machine.cuda.networks import IMAGES, MADE_UP, SOLVER, parse

NET = """
name: "wide"
layer data: Input { shape { dim: 64 dim: 3 dim: 32 dim: 32 } }
layer conv: Convolution(data) { num_output: 64 kernel_size: 3 pad: 1 }
layer pool: Pooling(conv) { pool: MAX kernel_size: 2 stride: 2 }
layer fc: InnerProduct(pool) { num_output: 10 }
"""
MIB = 1 << 20


def compiled(batch: int):
    return runtime.compile(netdef.parse(NET, batch_size=batch), "gpu:0", backward=False, keep="activations")


def test_the_largest_batch_that_fits_is_named_and_fits(machine) -> None:
    machine(memory=24 * MIB)
    with pytest.raises(NetdefError) as raised:
        compiled(64)
    said = re.fullmatch(
        r"error: wide in batches of 64 needs [\d.]+ MiB on gpu:0, where [\d.]+ MiB of 24.0 MiB are free\n"
        r"    the largest batch that fits is (\d+) \(--batch, or batch_size in the net\)",
        str(raised.value).strip(),
    )
    assert said, str(raised.value)
    best = int(said[1])
    assert 1 < best < 64
    compiled(best).close()
    with pytest.raises(NetdefError, match=f"largest batch that fits is {best}"):
        compiled(best + 1)


def test_what_others_hold_of_a_card_is_not_there(machine) -> None:
    cards = machine(memory=64 * MIB)
    compiled(64).close()
    cards.memories[0].others = 40 * MIB
    with pytest.raises(NetdefError, match=r"gpu:0, where 2\d.\d MiB of 64.0 MiB are free\n +the largest batch that fits is \d+ "):
        compiled(64)


def test_every_card_that_is_too_small_is_named(machine) -> None:
    cards = machine(memory=64 * MIB, count=3)
    spread = {"devices": "gpu:0-2", "split": "batch", "backward": False, "keep": "activations"}
    net = netdef.parse(NET, batch_size=60)
    runtime.compile(net, **spread).close()
    cards.memories[0].others = cards.memories[2].others = 55 * MIB
    with pytest.raises(NetdefError) as raised:
        runtime.compile(net, **spread)
    message = r"needs [\d.]+ MiB on gpu:0, where \S+ MiB of 64.0 MiB are free, and [\d.]+ MiB on gpu:2, where"
    assert re.search(message, str(raised.value)), str(raised.value)
    best = int(re.search(r"the largest batch that fits is (\d+)", str(raised.value))[1])
    runtime.compile(netdef.parse(NET, batch_size=best), **spread).close()


@pytest.mark.parametrize("net", [IMAGES, MADE_UP])
def test_what_is_said_to_be_needed_is_enough(machine: Callable[..., Cards], execute: Callable, monkeypatch, net: str) -> None:
    """Training takes no more than was computed before; without the reserve, as the stand-in's kernels take no room."""
    monkeypatch.setattr(cuda_needs, "reserve", lambda memory: 0)
    cards = machine(execute=execute, seed=1)
    solver = Solver(SOLVER % (1, -1), parse(net), "gpu:0")
    device, program = solver.executable.device, solver.executable.program
    need, opened = needed([program], device, [0], own_parameters=True), device._cublas_memory.mem.size
    solver.close()
    del solver
    for short in (0, 1):
        cards = machine(execute=execute, seed=1, memory=opened + need - short)
        if short:
            with pytest.raises(NetdefError, match=r"not even one|largest batch that fits is [15] "):
                Solver(SOLVER % (1, -1), parse(net), "gpu:0")
            continue
        solver = Solver(SOLVER % (1, -1), parse(net), "gpu:0")
        for _ in range(3):
            solver.iterate()
        assert cards.memories[0].used == opened + need
        solver.close()


@pytest.mark.parametrize(("devices", "shares"), [("gpu:0,gpu:0,gpu:0", [[0, 1, 2]]), ("gpu:0,gpu:1,gpu:0", [[0, 2], [1]])])
def test_a_card_needs_room_for_all_its_shares(
    machine: Callable[..., Cards], execute: Callable, monkeypatch, devices: str, shares: list[list[int]]
) -> None:
    monkeypatch.setattr(cuda_needs, "reserve", lambda memory: 0)
    cards = machine(execute=execute, seed=1, count=2)
    solver = Solver(SOLVER % (1, -1), parse(IMAGES), devices)
    exe = solver.executable
    needs = [needed([exe.program], exe.devices[mine[0]], mine, own_parameters=True) for mine in shares]
    opened = exe.device._cublas_memory.mem.size
    for _ in range(3):
        solver.iterate()
    assert [cards.memories[card].used for card in range(len(shares))] == [opened + need for need in needs]
    solver.close()
    del solver, exe
    for card, need in enumerate(needs):
        cards = machine(execute=execute, seed=1, count=2)
        cards.memories[card].others = cards.memories[card].size - (opened + need - 1)
        with pytest.raises(NetdefError, match=rf"on gpu:{card}, where") as error:
            Solver(SOLVER % (1, -1), parse(IMAGES), devices)
        assert str(error.value).count("are free") == 1  # a card is named once, however many shares it has


TESTED = """
name: "photos"
train layer data: ImageData -> data, label { source: "builtin:photos" batch_size: 16 transform_param { crop_size: 100 } }
test layer data: ImageData -> data, label { source: "builtin:photos" batch_size: 12 transform_param { crop_size: 100 } }
layer conv: Convolution(data) { num_output: 4 kernel_size: 5 stride: 2 weight_filler { type: "xavier" } }
layer fc: InnerProduct(conv) { num_output: 10 weight_filler { type: "xavier" } }
layer loss: SoftmaxWithLoss(fc, label)
"""


@pytest.fixture
def tested(tmp_path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Solver]:
    """A solver of a net and its test net, by the size of a training batch."""
    path = tmp_path / "tested.net"
    path.write_text(TESTED)
    monkeypatch.setattr(cuda_needs, "reserve", lambda memory: 0)
    text = SOLVER % (1, -1) + "test_iter: 2 test_interval: 2"
    return lambda batch: Solver(text, path, "gpu:0", batch_size=batch)


@pytest.mark.slow
def test_a_test_net_is_held_beside_the_training_net(machine: Callable[..., Cards], execute: Callable, tested: Callable) -> None:
    """Both have room from the start: nothing is short at the first test, and nothing was asked for that is not taken."""
    machine(execute=execute, seed=1)
    solver = tested(16)
    device, programs = solver.executable.device, [solver.executable.program, solver.tests[0].executable.program]
    need, opened = needed(programs, device, [0], own_parameters=True), device._cublas_memory.mem.size
    solver.close()
    del solver, device
    cards = machine(execute=execute, seed=1, memory=opened + need)
    solver = tested(16)
    for _ in range(2):  # each place of the double buffer
        solver.iterate()
        solver.test()
    assert cards.memories[0].used == opened + need
    solver.close()
    del solver
    machine(execute=execute, seed=1, memory=opened + need - 1)
    message = (
        r"photos in batches of 16, tested in batches of 12, needs [\d.]+ MiB on gpu:0(?s:.*)the largest batch that fits is 12 "
    )
    with pytest.raises(NetdefError, match=message):
        tested(16)
    tested(12).close()


def test_not_even_one_beside_a_test_net(machine: Callable[..., Cards], execute: Callable, tested: Callable) -> None:
    machine(execute=execute, seed=1)
    solver = tested(1)
    device, programs = solver.executable.device, [solver.executable.program, solver.tests[0].executable.program]
    need, opened = needed(programs, device, [0], own_parameters=True), device._cublas_memory.mem.size
    solver.close()
    del solver, device
    for memory, why in ((need - 1, "fits together with the test net: a smaller batch_size there needs less"), (1 << 20, "fits$")):
        machine(execute=execute, seed=1, memory=opened + memory)
        with pytest.raises(NetdefError) as raised:
            tested(4)
        assert re.search(f"not even one image at a time {why}", str(raised.value).strip()), str(raised.value)


def test_a_reserve_is_left_for_cuda(machine) -> None:
    assert cuda_needs.reserve(24 << 30) == 64 << 20
    assert cuda_needs.reserve(32 * MIB) == MIB


# --workspace

ROW = 4 * 64 * 9 * 224 * 16  # bytes of one output row of DEEP's second layer
DEEP = """
name: "deep"
layer data: Input { shape { dim: 16 dim: 3 dim: 56 dim: 224 } }
layer conv1: Convolution(data) { num_output: 64 kernel_size: 3 pad: 1 }
layer conv2: Convolution(conv1) { num_output: 64 kernel_size: 3 pad: 1 }
"""


@pytest.mark.slow
def test_a_workspace_is_kept_to(machine) -> None:
    cards = machine(memory=4 << 30, execute=lambda code, names: dict.fromkeys(names))
    least = -(-ROW // MB)
    for megabytes in (least, 3 * least):
        with runtime.compile(
            netdef.parse(DEEP), "gpu:0", backward=False, cuda=CudaOptions(workspace=megabytes * MB, conv="im2col")
        ) as exe:
            before = cards.memories[0].used
            exe.device.resolve()
            taken = cards.memories[0].used - before
            assert ROW <= taken <= megabytes * MB
            assert taken == cuda_needs.workspace(exe.program, 0, exe.device.options, exe.device.target)


@pytest.mark.slow
def test_a_workspace_that_is_too_small_is_refused_with_the_least_that_will_do(machine) -> None:
    machine(memory=4 << 30)
    with pytest.raises(NetdefError) as raised:
        runtime.compile(netdef.parse(DEEP), "gpu:0", backward=False, cuda=CudaOptions(workspace=2 * MB, conv="im2col"))
    assert "--workspace 2 is too small: layer 'conv2' takes 7.9 MB at least" in str(raised.value)
    assert "--workspace 8 is the least for this net and batch size" in str(raised.value)
    runtime.compile(netdef.parse(DEEP), "gpu:0", backward=False, cuda=CudaOptions(workspace=8 * MB, conv="im2col")).close()


def test_without_a_limit_a_row_may_take_what_it_needs(monkeypatch) -> None:
    monkeypatch.setattr("runtime.kernels.cuda.options.DEFAULT_WORKSPACE", 2 * MB)
    program = runtime.compiler.pipeline.compile_program(netdef.parse(DEEP), backward=False)
    assert cuda_needs.workspace(program, 0, CudaOptions(conv="im2col")) == ROW


def test_the_compiled_programs_memory_has_the_workspace_in_it(capsys) -> None:
    sizes = {}
    copies = " --conv im2col"  # tiles need less
    for arguments in ("gpu:0" + copies, "gpu:0 --workspace 64" + copies, "gpu:0,gpu:1 --workspace 64" + copies, "1"):
        assert run(["compile", "alexnet", "--devices", *arguments.split()]) == 0
        lines = [re.match(r"(.*?)\s+([\d,]+) bytes", line) for line in capsys.readouterr().out.splitlines()]
        sizes[arguments] = {line[1]: int(line[2].replace(",", "")) for line in lines}
    one, bounded, two, cores = sizes.values()
    assert 64 * MB < one["workspace"] <= 256 * MB
    assert 32 * MB < bounded["workspace"] <= 64 * MB
    assert one["total"] - one["workspace"] == bounded["total"] - bounded["workspace"]
    assert one["data on their way"] == 2 * 32 * (256 * 256 * 3 + 4 + 8 + 1)  # pixels, label, offset and mirror of each image
    assert two["of which gpu:0"] + two["of which gpu:1"] == two["total"]
    assert set(cores) - set(one) == {name for name in cores if name.startswith("workspace (")}
    for arguments in (["compile", "alexnet", "--devices", "gpu:0"], ["time", "alexnet", "--predict", "h100", "--batch", "128"]):
        assert run([*arguments, "--workspace", "1"]) == 2
        assert "--workspace 1 is too small: layer" in capsys.readouterr().err
    assert run(["compile", "alexnet", "--workspace", "64"]) == 2
    assert "--workspace 64 is about graphics cards" in capsys.readouterr().err


def test_not_even_one(machine) -> None:
    machine(memory=5 * MIB)
    with pytest.raises(NetdefError, match="not even one image at a time fits"):
        compiled(2)


def test_weights_that_others_hold_are_not_needed_again(machine) -> None:
    machine(memory=40 * MIB)
    train = runtime.compile(netdef.parse(NET.replace("num_output: 10", "num_output: 400"), batch_size=1), "gpu:0", backward=False)
    test = netdef.parse(NET.replace("num_output: 10", "num_output: 400"), batch_size=1)
    runtime.compile(test, backward=False, share=train).close()
    train.close()
