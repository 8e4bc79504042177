"""Ranks with a card each: NCCL's messages between stand-ins, whose streams run as late as events allow."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from netdef import NetdefError
from runtime.ir.program import SEND, Buffer, Instruction
from runtime.machine.cuda.device import CudaDevice
from runtime.machine.ranks.bucket import OF_CARDS
from runtime.machine.ranks.cards import Messages, RemoteCard, load_nccl
from runtime.machine.ranks.courier import RankError
from runtime.machine.ranks.ranks import MEASURED, Ranks
from runtime.machine.ranks.rounded import Rounder
from runtime.machine.ranks.rounding import Rounding, relative_error
from runtime.machine.ranks.shares import open_shares
from runtime.ops.halves.forms import FORMS
from runtime.solver.solver import Solver
from tests.runtime.machine.cuda.fake_cupy import Cards
from tests.runtime.machine.cuda.fake_cupy.graphs import CUDARuntimeError
from tests.runtime.machine.cuda.fake_cupy.nccl import NcclError
from tests.runtime.machine.cuda.fake_cupy.streams import DeadlockError
from tests.runtime.machine.cuda.networks import IMAGES, MADE_UP, SOLVER, parse
from tests.runtime.machine.ranks.loopback import on_ranks

PATIENCE = 20.0  # seconds that a thread waits for the others, which may compile


def train(net: str, devices: str, split: str, ranks: Ranks | None = None, clip: float = -1) -> tuple[list[bytes], list[float]]:
    """The weights after three iterations, and the losses."""
    with Solver(SOLVER % (1, clip), parse(net), devices, split=split, ranks=ranks) as solver:
        losses = [solver.iterate() for _ in range(3)]
        executable = solver.executable
        weights = [executable.param(p.layer.name, p.index).tobytes() for p in executable.net.parameters]
        return weights, [one.loss for one in losses]


@pytest.mark.parametrize(
    ("net", "split", "count", "bucket", "seed"),
    [
        (MADE_UP, "batch", 2, None, 1),
        pytest.param(MADE_UP, "groups", 2, None, 2, marks=pytest.mark.slow),
        pytest.param(IMAGES, "batch", 2, 500, 3, marks=pytest.mark.slow),
        pytest.param(MADE_UP, "hybrid", 4, 2000, 4, marks=pytest.mark.slow),
    ],
)
def test_ranks_give_the_bits_of_one_process_with_as_many_cards(
    machine: Callable[..., Cards], execute: Callable, net: str, split: str, count: int, bucket: int | None, seed: int
) -> None:
    machine(execute=execute, seed=seed, count=count)
    alone = train(net, f"gpu:0-{count - 1}", split, clip=0.5)
    cards = machine(execute=execute, seed=seed, count=count)
    cards.scheduler.patience = PATIENCE
    chance = random.Random(seed)

    def start(ranks: Ranks) -> Any:
        ranks.bucket = bucket
        return train(net, f"gpu:{ranks.rank}", split, ranks, clip=0.5)

    found = on_ranks(count, start, late=lambda: chance.random() < 0.3)
    assert found == [alone] * count
    assert cards.sent == 0  # nothing went another way


def test_nccl_adds_up_gradients(machine: Callable[..., Cards], execute: Callable) -> None:
    """In another order than ranks do; all of them get the same weights."""
    alone, _ = train(MADE_UP, "cpu:0,cpu:0,cpu:0", "batch", clip=0.5)
    machine(execute=execute, seed=6, count=3).scheduler.patience = PATIENCE
    chance = random.Random(6)

    def start(ranks: Ranks) -> Any:
        ranks.bucket, ranks.fast = 30_000, True
        return train(MADE_UP, f"gpu:{ranks.rank}", "batch", ranks, clip=0.5)

    found = on_ranks(3, start, late=lambda: chance.random() < 0.3)
    assert found == [found[0]] * 3
    for mine, other in zip(found[0][0], alone, strict=True):
        assert np.allclose(np.frombuffer(mine, np.float32), np.frombuffer(other, np.float32), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(("form", "count", "bucket"), [("bf16", 2, 2000), pytest.param("fp16", 4, None, marks=pytest.mark.slow)])
def test_gradients_are_rounded_as_between_cpus(
    machine: Callable[..., Cards], execute: Callable, form: str, count: int, bucket: int | None
) -> None:
    """By the same rule, and with the same error, of numbers that are a card's."""

    def start(ranks: Ranks, devices: str) -> Any:
        ranks.rounding, ranks.bucket = Rounding(form), bucket
        weights, losses = train(MADE_UP, devices.format(ranks.rank), "batch", ranks)
        errors = relative_error(ranks.exchange(ranks.rounding.measured()))
        return weights, losses, errors, ranks.rounding.sent > 0

    on_cpus = on_ranks(count, lambda ranks: start(ranks, "cpu"))[0]
    exact, _ = train(MADE_UP, ",".join(["cpu:0"] * count), "batch")
    cards = machine(execute=execute, seed=8, count=count)
    cards.scheduler.patience = PATIENCE
    chance = random.Random(8)
    found = on_ranks(count, lambda ranks: start(ranks, "gpu:{}"), late=lambda: chance.random() < 0.3)
    assert found == [found[0]] * count and found[0][3]
    assert found[0][2] == pytest.approx(on_cpus[2], rel=0.01)
    for mine, other, unrounded in zip(found[0][0], on_cpus[0], exact, strict=True):
        numbers = [np.frombuffer(one, np.float32).astype(np.float64) for one in (mine, other, unrounded)]
        assert np.abs(numbers[0] - numbers[1]).max() < np.abs(numbers[0] - numbers[2]).max() / 2
    assert {name.split("<")[0] for name in cards.launched} >= {f"round_{form}", f"widen_from_{form}", "rounding_error"}


@pytest.mark.parametrize("form", FORMS)
def test_a_rounded_message(machine: Callable[..., Cards], execute: Callable, form: str) -> None:
    """Of several buffers, next to one that is sent as it is; errors of all passes are added up until they are asked for."""
    values = [np.float32([1.001, np.pi, -2e-7]), np.float32([70000.0, -65519.0, 1 / 3, 0, 5])]
    sizes = [one.size for one in values]

    def work(ranks: Ranks, nccl: Messages, device: CudaDevice) -> Any:
        gradients = [[Buffer("g", (size,), "parameter_gradient", device=rank) for size in sizes] for rank in range(2)]
        send = Instruction(SEND, tuple(gradients[0]), tuple(gradients[1]), {}, "fc")
        mine = [array(device, one if ranks.rank == 0 else np.zeros(one.size)) for one in values]
        plain = array(device, [ranks.rank + 0.1])
        rounding = Rounding(form)
        card = RemoteCard(ranks, 1 - ranks.rank, "gpu:0", nccl, Rounder(rounding, device))
        bound = card.bind(send, dict(zip(gradients[ranks.rank], mine, strict=True)).get)
        card.run([bound, nccl.send(plain, 1) if ranks.rank == 0 else nccl.receive(plain, 0)])
        device.synchronize()
        card.run([bound])  # the next pass of an iteration
        device.synchronize()
        sums = rounding.measured(), rounding.sent
        card.run([bound])
        device.synchronize()
        assert (rounding.measured(), rounding.sent) == sums
        return [device.read(one) for one in mine], device.read(plain).tolist(), sums

    made: list[Cards] = []
    first, second = messages(lambda **options: made.append(machine(**options)) or made[0], 2, work, execute=execute)
    assert made[0].launched and all("<4" in name for name in made[0].launched)  # in packs, behind an odd number too
    narrow, widen = FORMS[form]
    for got, one in zip(second[0], values, strict=True):
        assert got.tobytes() == widen(narrow(one)).tobytes()
    assert second[1:] == (first[1], ((0.0, 0.0), 0))
    rounded, before = (np.concatenate(found).astype(np.float64) for found in (second[0], values))
    assert first[2] == (pytest.approx((2 * ((rounded - before) ** 2).sum(), 2 * (before**2).sum())), 16)


def test_the_memory_of_rounded_gradients_is_counted(machine: Callable[..., Cards], execute: Callable) -> None:
    """Half of that of what is sent and received, and 16 bytes of sums of what is sent."""
    machine(execute=execute, seed=5, count=2).scheduler.patience = PATIENCE

    def start(ranks: Ranks, form: str) -> int:
        ranks.rounding, ranks.bucket = Rounding(form) if form else None, 2000
        with Solver(SOLVER % (1, -1), parse(MADE_UP), f"gpu:{ranks.rank}", split="batch", ranks=ranks) as solver:
            return solver.executable.device.workspace_bytes([solver.executable.program], [ranks.rank])

    counted = [on_ranks(2, lambda ranks, form=form: start(ranks, form)) for form in ("", "bf16")]
    gradients = 8 * 3 * 3 * 3 + 8 + 10 * 8 * 30 * 30 + 10
    more = [rounded - plain for plain, rounded in zip(*counted, strict=True)]
    assert sum(more) == pytest.approx(2 * 2 * gradients, rel=0.02)


def test_the_link_of_the_hosts_says_nothing_about_cards(machine: Callable[..., Cards], execute: Callable) -> None:
    machine(execute=execute, seed=5, count=2).scheduler.patience = PATIENCE
    said: list[str] = []

    def start(ranks: Ranks) -> int | None:
        ranks.bucket = MEASURED
        options = {"split": "batch", "ranks": ranks, "say": said.append}
        Solver(SOLVER % (1, -1), parse(MADE_UP), f"gpu:{ranks.rank}", **options).close()
        return ranks.bucket

    assert on_ranks(2, start) == [OF_CARDS] * 2
    assert said == []


def messages(
    machine: Callable[..., Cards], count: int, work: Callable[[Ranks, Messages, Any], Any], patience: float = 5.0, **options: Any
) -> Any:
    """What ranks do with a card each.  options: of the stand-in."""
    cards = machine(seed=7, count=count, **options)
    cards.scheduler.patience = patience

    def start(ranks: Ranks) -> Any:
        device = CudaDevice(ranks.rank)
        nccl = Messages(ranks, device)
        try:
            return work(ranks, nccl, device)
        finally:
            nccl.abort()
            with suppress(NetdefError, DeadlockError):
                device.synchronize()

    return on_ranks(count, start)


def array(device: CudaDevice, values: Any) -> Any:
    """An array on a card."""
    values = np.asarray(values, np.float32)
    made = device.array(device.allocate(max(values.nbytes, 4)), 0, values.shape, "float32")
    device.write(made, values)
    device.synchronize()
    return made


def test_messages_of_a_group_cross(machine: Callable[..., Cards]) -> None:
    """Each of four ranks sends each other rank another number of floats, one of them none, all in one group."""

    def work(ranks: Ranks, nccl: Messages, device: CudaDevice) -> list[list[float]]:
        sent = [array(device, np.full(rank, 10 * ranks.rank + rank)) for rank in range(4)]
        rooms = [array(device, np.zeros(ranks.rank)) for _ in range(4)]
        others = [rank for rank in range(4) if rank != ranks.rank]
        nccl.queue.run([nccl.receive(rooms[rank], rank) for rank in others] + [nccl.send(sent[rank], rank) for rank in others])
        device.synchronize()
        nccl.close()
        return [device.read(rooms[rank]).tolist() for rank in others]

    found = messages(machine, 4, work)
    for rank in range(4):
        assert found[rank] == [[10.0 * other + rank] * rank for other in range(4) if other != rank]


def test_a_message_without_its_other_side_is_an_error(machine: Callable[..., Cards], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.machine.ranks.ranks.PATIENCE", 0.1)

    def work(ranks: Ranks, nccl: Messages, device: CudaDevice) -> None:
        if ranks.rank == 0:
            nccl.queue.run([nccl.send(array(device, [1, 2]), 1)])
            device.synchronize()

    first, second = messages(machine, 2, work, patience=0.2)
    assert isinstance(first, DeadlockError)
    assert second is None


def test_another_size_is_an_error(machine: Callable[..., Cards], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.machine.ranks.ranks.PATIENCE", 0.1)

    def work(ranks: Ranks, nccl: Messages, device: CudaDevice) -> None:
        mine = array(device, np.zeros(2 + ranks.rank))
        nccl.queue.run([nccl.send(mine, 1) if ranks.rank == 0 else nccl.receive(mine, 0)])
        device.synchronize()

    errors = [one for one in messages(machine, 2, work) if one is not None]
    assert any(isinstance(one, NcclError) and "sends 8 bytes where rank 1 expects 12" in str(one) for one in errors)


def test_a_rank_that_fails_ends_what_others_wait_for(machine: Callable[..., Cards]) -> None:
    waiting = threading.Event()

    def work(ranks: Ranks, nccl: Messages, device: CudaDevice) -> None:
        if ranks.rank == 1:
            waiting.wait()
            raise NetdefError("disk full")
        nccl.queue.run([nccl.receive(array(device, [0]), 1)])
        waiting.set()
        device.synchronize()

    first, second = messages(machine, 2, work, patience=PATIENCE)
    assert str(second) == "error: disk full"
    assert isinstance(first.__cause__, CUDARuntimeError) and "aborted" in str(first)


@pytest.mark.parametrize(
    ("devices", "message"),
    [
        (["gpu:0", "gpu:0"], "ranks 0 and 1 on here both have gpu:0"),
        (["gpu:0-1", "gpu:0-1"], "a rank trains on one graphics card, not on 2"),
    ],
)
def test_what_cards_of_ranks_cannot_do(machine: Callable[..., Cards], devices: list[str], message: str) -> None:
    machine(count=2)

    def start(ranks: Ranks) -> None:
        open_shares(ranks, devices[ranks.rank])

    for error in on_ranks(2, start):
        assert isinstance(error, NetdefError) and not isinstance(error, RankError)
        assert str(error).splitlines()[0] == f"error: {message}"


def test_without_nccl_a_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError("libnccl.so.2: cannot open shared object file")

    monkeypatch.setattr("runtime.machine.ranks.cards.import_module", missing)
    with pytest.raises(NetdefError, match="ranks with graphics cards need NCCL: libnccl") as caught:
        load_nccl()
    assert "pip install nvidia-nccl-cu12" in str(caught.value)
