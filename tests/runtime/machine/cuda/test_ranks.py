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
from runtime.machine.cuda.device import CudaDevice
from runtime.machine.ranks.bucket import OF_CARDS
from runtime.machine.ranks.cards import Messages, load_nccl
from runtime.machine.ranks.courier import RankError
from runtime.machine.ranks.ranks import MEASURED, Ranks
from runtime.machine.ranks.rounding import Rounding
from runtime.machine.ranks.shares import open_shares
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


def messages(machine: Callable[..., Cards], count: int, work: Callable[[Ranks, Messages, Any], Any], patience: float = 5.0) -> Any:
    """What ranks do with a card each."""
    cards = machine(seed=7, count=count)
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
    ("devices", "form", "message"),
    [
        (["gpu:0", "gpu:0"], "", "ranks 0 and 1 on here both have gpu:0"),
        (["gpu:0-1", "gpu:0-1"], "", "a rank trains on one graphics card, not on 2"),
        (["gpu:0", "gpu:1"], "bf16", "--gradients bf16 is for ranks that compute on CPUs"),
    ],
)
def test_what_cards_of_ranks_cannot_do(machine: Callable[..., Cards], devices: list[str], form: str, message: str) -> None:
    machine(count=2)

    def start(ranks: Ranks) -> None:
        ranks.rounding = Rounding(form) if form else None
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
