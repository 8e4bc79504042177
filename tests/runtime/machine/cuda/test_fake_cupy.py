"""The stand-in itself: that it is as hostile as it claims, and as strict as a card."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.runtime.machine.cuda.fake_cupy import Cards, CUDARuntimeError, make_module
from tests.runtime.machine.cuda.fake_cupy.memory import AddressError
from tests.runtime.machine.cuda.fake_cupy.streams import DeadlockError, Scheduler

SEEDS = range(40)


def test_work_waits_until_somebody_asks_for_it() -> None:
    asleep = 0
    for seed in SEEDS:
        scheduler, done = Scheduler(seed), []
        queue = scheduler.queue("s", 0)
        scheduler.put(queue, lambda done=done: done.append(1), "work")
        asleep += not done
        scheduler.finish(queue.last)
        assert done == [1]
    assert asleep > len(SEEDS) / 2


def test_a_stream_keeps_its_order_and_events_are_kept() -> None:
    for seed in SEEDS:
        scheduler, done = Scheduler(seed), []
        a, b = scheduler.queue("a", 0), scheduler.queue("b", 0)
        for n in range(20):
            last = scheduler.put(a, lambda n=n, done=done: done.append(("a", n)), "a")
            scheduler.put(b, lambda n=n, done=done: done.append(("b", n)), "b", [last])
        scheduler.finish(b.last)
        assert [n for name, n in done if name == "a"] == list(range(20))
        assert all(done.index(("a", n)) < done.index(("b", n)) for n in range(20))


def test_without_an_event_every_order_comes_up() -> None:
    first = set()
    for seed in SEEDS:
        scheduler, done = Scheduler(seed), []
        a, b = scheduler.queue("a", 0), scheduler.queue("b", 0)
        for queue in (a, b) * 20:
            scheduler.put(queue, lambda name=queue.name, done=done: done.append(name), "work")
        scheduler.finish(a.last)
        scheduler.finish(b.last)
        first |= {"".join(done[:20]).count("a") > 15, "".join(done[:20]).count("b") > 15}
    assert first == {True, False}


def test_waiting_for_ever_is_an_error() -> None:
    scheduler = Scheduler(0)
    a, b = scheduler.queue("a", 0), scheduler.queue("b", 0)
    never = scheduler.put(a, lambda: None, "first", [])
    a.waiting.clear()
    scheduler.put(b, lambda: None, "second", [never])
    with pytest.raises(DeadlockError, match="second"):
        scheduler.finish(b.last)


def test_a_failure_shows_when_somebody_waits() -> None:
    scheduler = Scheduler(0)
    queue = scheduler.queue("a", 0)

    def fail() -> None:
        raise RuntimeError("illegal address")

    scheduler.put(queue, fail, "bad")
    with pytest.raises(RuntimeError, match="illegal address"):
        scheduler.finish(scheduler.put(queue, lambda: None, "next"))


def test_memory_of_the_card_and_of_the_host_are_not_the_same() -> None:
    cards = Cards(seed=None)
    cupy = make_module(cards)
    memory = cupy.cuda.Memory(64)
    stream, runtime = cupy.cuda.Stream(), cupy.cuda.runtime
    pageable, pinned = np.zeros(64, np.uint8), cupy.cuda.alloc_pinned_memory(64)
    with pytest.raises(AddressError, match="kind"):
        runtime.memcpyAsync(pinned.ptr, pinned.ptr, 64, runtime.memcpyHostToDevice, stream.ptr)
    with pytest.raises(AddressError, match="page-locked"):
        runtime.memcpyAsync(memory.ptr, pageable.ctypes.data, 64, runtime.memcpyHostToDevice, stream.ptr)
    with pytest.raises(AddressError, match="no memory of card"):
        runtime.memcpyAsync(memory.ptr + 1, pinned.ptr, 64, runtime.memcpyHostToDevice, stream.ptr)
    runtime.memcpyAsync(memory.ptr, pinned.ptr, 64, runtime.memcpyHostToDevice, stream.ptr)
    with pytest.raises(TypeError):
        np.asarray(cupy.ndarray((16,), "float32", memptr=cupy.cuda.MemoryPointer(memory, 0))) + 1


def test_fresh_memory_is_nan() -> None:
    cards = Cards(seed=None)
    memory = make_module(cards).cuda.Memory(64)
    assert np.isnan(cards.find(memory.ptr, 64).view(np.float32)).all()


def test_writing_beside_memory_is_seen() -> None:
    cards = Cards(seed=None)
    memory = make_module(cards).cuda.Memory(64)
    cards.check()
    memory._piece._after[0] = 0
    with pytest.raises(AddressError, match="beside"):
        cards.check()
    memory._piece._after[0] = 0xA5


def test_a_capture_is_work_to_be_done_when_its_graph_is_launched() -> None:
    cards = Cards(seed=None)
    cupy = make_module(cards)
    stream, memory = cupy.cuda.Stream(), cupy.cuda.Memory(64)
    stream.begin_capture()
    cupy.cuda.runtime.memsetAsync(memory.ptr, 1, 64, stream.ptr)
    graph = stream.end_capture()
    assert cards.find(memory.ptr, 1)[0] == 0xFF
    graph.launch(stream)
    assert cards.find(memory.ptr, 64).tolist() == [1] * 64


def pageable_copy(cupy: Any, stream: Any, memory: Any) -> None:
    runtime = cupy.cuda.runtime
    runtime.memcpyAsync(memory.ptr, np.zeros(64, np.uint8).ctypes.data, 64, runtime.memcpyHostToDevice, stream.ptr)


def outside_event(cupy: Any, stream: Any, memory: Any) -> None:
    other, event = cupy.cuda.Stream(), cupy.cuda.Event()
    event.record(other)
    stream.wait_event(event)


def captured_event(cupy: Any, stream: Any, memory: Any) -> None:
    event = cupy.cuda.Event()
    event.record(stream)
    event.synchronize()


@pytest.mark.parametrize(
    ("forbidden", "says"),
    [
        (lambda cupy, stream, memory: stream.synchronize(), "waiting while a stream is captured"),
        (lambda cupy, stream, memory: cupy.cuda.Memory(64), "allocating while a stream is captured"),
        (lambda cupy, stream, memory: cupy.cuda.alloc_pinned_memory(64), "allocating while a stream is captured"),
        (lambda cupy, stream, memory: cupy.cuda.Stream().begin_capture(), "another capture"),
        (outside_event, "cudaErrorStreamCaptureIsolation"),
        (captured_event, "cudaErrorCapturedEvent"),
        (pageable_copy, "not page-locked"),
    ],
)
def test_what_must_not_be_captured(forbidden: Callable[[Any, Any, Any], None], says: str) -> None:
    cupy = make_module(Cards(seed=None))
    stream, memory = cupy.cuda.Stream(), cupy.cuda.Memory(64)
    stream.begin_capture()
    with pytest.raises((CUDARuntimeError, AddressError), match=says):
        forbidden(cupy, stream, memory)
    with pytest.raises(CUDARuntimeError, match="cudaErrorStreamCaptureInvalidated"):
        stream.end_capture()


@pytest.mark.slow
def test_a_graph_keeps_no_memory() -> None:
    cards = Cards(seed=None, execute=lambda code, names: {"f": lambda grid, block, arguments: None})
    cupy = make_module(cards)
    stream, memory = cupy.cuda.Stream(), cupy.cuda.Memory(64)
    kernel = cupy.RawModule(code="", name_expressions=("f",)).get_function("f")
    with stream:
        stream.begin_capture()
        kernel((1, 1, 1), (1, 1, 1), (cupy.ndarray((16,), "float32", memptr=cupy.cuda.MemoryPointer(memory, 0)),))
        graph = stream.end_capture()
        graph.launch(stream)
        del memory
        gc.collect()
        with pytest.raises(AddressError, match="no memory of card 0"):
            graph.launch(stream)


def test_streams_events_and_memory_belong_to_a_card() -> None:
    cards = Cards(count=2, seed=None, execute=lambda code, names: {"f": lambda grid, block, arguments: None})
    cupy = make_module(cards)
    here, event, pinned, runtime = cupy.cuda.Stream(), cupy.cuda.Event(), cupy.cuda.alloc_pinned_memory(64), cupy.cuda.runtime
    with cupy.cuda.Device(1):
        memory, there = cupy.cuda.Memory(64), cupy.cuda.Stream()
        with pytest.raises(RuntimeError, match="another card"), here:
            pass
    with pytest.raises(CUDARuntimeError, match="cudaErrorInvalidResourceHandle"):
        event.record(there)
    with pytest.raises(AddressError, match="a copy with card 1 on a stream of card 0"):
        runtime.memcpyAsync(memory.ptr, pinned.ptr, 64, runtime.memcpyHostToDevice, here.ptr)
    with pytest.raises(AssertionError, match="peer access"):
        runtime.memcpyPeerAsync(cupy.cuda.Memory(64).ptr, 0, memory.ptr, 1, 64, there.ptr)
