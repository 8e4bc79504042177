"""One network over two cards and four, and copies between them, in the worst order; with peer access and without."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from runtime.machine.cuda import peers as cuda_peers
from runtime.machine.cuda.device import CudaDevice, CudaQueue
from runtime.machine.cuda.peers import Detour
from runtime.solver.diverged import DivergedError
from tests.marks import RELEASE
from tests.runtime.machine.cuda.fake_cupy import Cards
from tests.runtime.machine.cuda.fake_cupy.graphs import CUDARuntimeError
from tests.runtime.machine.cuda.networks import ALEXNET, BRANCHES, train

NETS = {"alexnet": ALEXNET, "branches": BRANCHES}


@pytest.fixture(scope="module")
def on_cpu() -> dict[str, list[np.ndarray]]:
    return {name: train(net, "cpu")[0] for name, net in NETS.items()}


def check(weights: list[np.ndarray], expected: list[np.ndarray]) -> None:
    for mine, theirs in zip(weights, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "cards", "split", "peers"),
    [
        ("alexnet", 2, "groups", False),
        pytest.param("alexnet", 4, "groups", True, marks=RELEASE),  # with access to each other as in test_split
        pytest.param("alexnet", 2, "batch", True, marks=RELEASE),
        ("branches", 2, "groups", True),
        ("branches", 2, "batch", False),
        pytest.param("branches", 4, "hybrid", True, marks=RELEASE),
        ("branches", 4, "hybrid", False),
    ],
)
def test_trained_weights(machine: Callable[..., Cards], execute: Callable, monkeypatch, on_cpu, name, cards, split, peers) -> None:
    monkeypatch.setattr(cuda_peers, "CHUNK", 1000)  # so that nearly every copy takes several
    for seed in (5,) if name == "alexnet" else (2, 3):
        made = machine(count=cards, execute=execute, seed=seed, peers=peers)
        weights, _ = train(NETS[name], f"gpu:0-{cards - 1}", split=split)
        check(weights, on_cpu[name])
        assert (made.sent > 0) == peers


@pytest.mark.slow
def test_a_wait_for_a_peer_that_is_missing_gives_wrong_weights(
    machine: Callable[..., Cards], execute: Callable, on_cpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CudaQueue, "wait", lambda self, event: None)
    for seed in range(10):
        machine(count=2, execute=execute, seed=seed)
        try:
            weights, _ = train(ALEXNET, "gpu:0,gpu:1")
        except DivergedError:
            return
        if not all(np.allclose(*pair, rtol=1e-3, atol=1e-5) for pair in zip(weights, on_cpu["alexnet"], strict=True)):
            return
    pytest.fail("the stand-in did not see it")


# Copies by way of the host, by themselves


def arrive(cards: Cards, spoil: Callable[[Detour], None] = lambda detour: None) -> bool:
    """Whether arrays of several sizes, sent from the first card to all others again and again, are there as they were here."""
    first, *others = devices = [CudaDevice(index) for index in range(len(cards.memories))]
    right = True
    for size in (1, 16, 100, 16):  # floats, of which a chunk holds 16
        source, *targets = (device.array(device.allocate(4 * size), 0, (size,), "float32") for device in devices)
        steps = [first.peers.send(source, target) for target in targets]
        for detour in first.peers.detours.values():
            spoil(detour)
        for turn in range(3):
            values = np.arange(size, dtype=np.float32) + 1000 * turn
            first.write(source, values)
            first.copies.run(steps)
            first.queue.wait(sent := first.copies.record())
            for device, target in zip(others, targets, strict=True):
                device.queue.wait(sent)
                right &= np.array_equal(device.read(target), values)
    for device in devices:
        device.close()
    return right


@pytest.fixture
def in_small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_peers, "CHUNK", 64)


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.usefixtures("in_small_chunks")
def test_what_is_sent_by_way_of_the_host_arrives(machine: Callable[..., Cards], count: int, seed: int) -> None:
    cards = machine(count=count, seed=seed, peers=False)
    assert arrive(cards)
    assert cards.sent == 0


def landing_at_once(detour: Detour) -> None:
    """The second half of a copy does not wait for the first."""
    detour._landing.wait_event = lambda event: None


def sending_on(detour: Detour) -> None:
    """Slots are filled again before they were emptied, and a copy counts as done when it is in the host's memory."""
    wait, landed = detour._copies.wait_event, detour._landed
    detour._copies.wait_event = lambda event: None if event in landed else wait(event)


@pytest.mark.parametrize("spoil", [landing_at_once, sending_on])
@pytest.mark.usefixtures("in_small_chunks")
def test_a_missing_wait_on_the_way_is_seen(machine: Callable[..., Cards], spoil: Callable[[Detour], None]) -> None:
    assert not all(arrive(machine(count=2, seed=seed, peers=False), spoil) for seed in range(20))


@pytest.mark.parametrize(("status", "works"), [(217, True), (711, True), (999, False)])
def test_peers_that_the_driver_refuses_in_the_end(machine: Callable[..., Cards], monkeypatch, status: int, works: bool) -> None:
    """A machine may have more cards than one of them can reach at a time."""
    cards = machine(count=2, seed=1)
    device, other = CudaDevice(0), CudaDevice(1)

    def refuse(peer: int) -> None:
        raise CUDARuntimeError(status, "cudaErrorTooManyPeers or so")

    monkeypatch.setattr(device.cupy.cuda.runtime, "deviceEnablePeerAccess", refuse)
    source, target = (one.array(one.allocate(64), 0, (16,), "float32") for one in (device, other))
    if not works:
        with pytest.raises(Exception, match=r"gpu:0 \(Stand-in\) failed: cudaErrorTooManyPeers or so"):
            device.peers.send(source, target)
        return
    device.write(source, np.arange(16))
    device.copies.run([device.peers.send(source, target)])
    other.queue.wait(device.copies.record())
    np.testing.assert_array_equal(other.read(target), np.arange(16))
    assert cards.sent == 0
