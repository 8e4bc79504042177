"""A stand-in for the part of CuPy that runtime/devices/cuda*.py use, for machines without a card.

Its cards have memory of their own (memory.py) and hostile streams (streams.py).  Kernels are run by `execute`, which takes a file's
source and the functions wanted from it; matrix products by cublas.py.
"""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from tests.runtime.machine.cuda.fake_cupy.graphs import UNSUPPORTED, CUDARuntimeError, fail, stream_classes
from tests.runtime.machine.cuda.fake_cupy.memory import CARD, FIRST, AddressError, CardMemory, Piece, PinnedMemory, is_on_card
from tests.runtime.machine.cuda.fake_cupy.nccl import make_nccl
from tests.runtime.machine.cuda.fake_cupy.streams import Operation, Queue, Scheduler

GIB = 1 << 30
Kernel = Callable[[Sequence[int], Sequence[int], Sequence[Any]], None]  # grid, block, arguments with addresses of this process
Execute = Callable[[str, Sequence[str]], dict[str, Kernel]]


class CUDADriverError(RuntimeError):
    """What launches raise."""


class Cards:
    """The cards of a machine and everything that waits on their streams.

    Parameters
    ----------
    count: how many cards.  memory: bytes of each.  seed: of the order in which streams run; None: at once.
    peers: whether the cards can reach each other's memory.  execute: makes kernels of source.
    """

    def __init__(
        self, count: int = 1, memory: int = GIB, seed: int | None = 0, peers: bool = True,
        execute: Execute | None = None, capability: tuple[int, int] = (8, 6),
    ):  # fmt: skip
        self.scheduler = Scheduler(seed)
        self.memories = [CardMemory(device, memory) for device in range(count)]
        self.peers, self.execute, self.capability = peers, execute, capability
        self.launched: list[str] = []  # functions, as they ran
        self.calls: Counter[str] = Counter()  # of the host, by kind; "blocked": main thread's waits
        self.downloads = 0  # copies from a card to the host that ran, those of graphs too
        self._local = threading.local()

    @property
    def device(self) -> int:
        return getattr(self._local, "devices", [0])[-1]

    def push(self, device: int) -> None:
        self._local.devices = [*getattr(self._local, "devices", [0]), device]

    def pop(self) -> None:
        self._local.devices = self._local.devices[:-1]

    @property
    def streams(self) -> list[Any]:
        if not hasattr(self._local, "streams"):
            self._local.streams = []
        return self._local.streams

    @property
    def replayed(self) -> int:
        """How many graphs were launched."""
        return self.calls["graph"]

    @property
    def sent(self) -> int:
        """How many copies went from card to card."""
        return self.calls["peer copy"]

    def refuse_in_capture(self, what: str) -> None:
        """Raise for what CUDA's global mode does not allow while a stream is captured; CuPy asks for a milder one."""
        for queue in self.scheduler.queues:
            if queue.capture is not None and queue.capture.thread == threading.get_ident():
                queue.capture.broken = True
                raise fail(UNSUPPORTED, f"{what} while a stream is captured")

    def wait_for(self, operation: Operation | None) -> None:
        """What the host does when it synchronizes."""
        self.refuse_in_capture("waiting")
        self.calls["synchronize"] += 1
        in_main = threading.current_thread() is threading.main_thread()  # threads that fill batches may wait for their copies
        self.calls["blocked"] += in_main and operation is not None and not operation.done
        self.scheduler.finish(operation)

    def find(self, address: int, size: int) -> np.ndarray:
        """The bytes at an address of a card or of page-locked memory."""
        if is_on_card(address):
            return self.memories[address // CARD - FIRST].find(address, size)
        return PinnedMemory.find(address, size)

    def check(self) -> None:
        """That nobody wrote beside any memory that is still held, and that all failures have shown."""
        assert not self.scheduler.failures
        for memory in self.memories:
            memory.check()


def make_module(cards: Cards) -> ModuleType:
    """A module that can stand in sys.modules as `cupy`."""
    cupy = ModuleType("cupy")
    cupy.__version__ = "14.2.0"  # type: ignore[attr-defined]
    runtime = _runtime(cards)
    memory = _memory_classes(cards, runtime)
    streams = stream_classes(cards)
    device = _device_class(cards, runtime)
    driver = SimpleNamespace(CUDADriverError=CUDADriverError)
    cuda = SimpleNamespace(runtime=runtime, driver=driver, Device=device, **memory, **streams)
    cuda.nvrtc = SimpleNamespace(getVersion=lambda: (12, 9))
    cuda.get_elapsed_time = lambda start_event, end_event: end_event.at - start_event.at
    cupy.cuda = cuda  # type: ignore[attr-defined]
    cupy.ndarray = _array_class()  # type: ignore[attr-defined]
    cupy.RawModule = _module_class(cards)  # type: ignore[attr-defined]
    return cupy


def install(monkeypatch: Any, cards: Cards) -> Cards:
    """Put the stand-in, and its cuBLAS, in the place of CuPy for a test."""
    from runtime.machine import listing
    from runtime.machine.cuda import device as cuda
    from runtime.machine.cuda import gemm as cuda_gemm
    from tests.runtime.machine.cuda.fake_cupy.cublas import FakeCublas

    monkeypatch.setitem(sys.modules, "cupy", make_module(cards))
    monkeypatch.setitem(sys.modules, "cupy.cuda.nccl", make_nccl(cards))
    for module in (cuda, cuda_gemm, listing):
        monkeypatch.setattr(module, "load_library", lambda cupy: FakeCublas(cards))
    return cards


def _runtime(cards: Cards) -> SimpleNamespace:
    """cupy.cuda.runtime."""

    def move(target: int, source: int, size: int) -> None:
        cards.downloads += is_on_card(source) and not is_on_card(target)
        cards.find(target, size)[:] = cards.find(source, size)

    def copy(target: int, source: int, size: int, stream: int, what: str) -> None:
        queue = stream_of(cards, stream)
        try:
            for address in (target, source):
                cards.find(address, size)  # so that a wrong address is an error where it is used, not later
        except AddressError:
            if queue.capture is not None:
                queue.capture.broken = True
            raise
        cards.calls[what] += 1
        cards.scheduler.put(queue, lambda: move(target, source, size), what)

    def memcpyAsync(dst: int, src: int, size: int, kind: int, stream: int) -> None:  # noqa: N802
        kinds = {1: (False, True), 2: (True, False), 3: (True, True)}
        if (is_on_card(src), is_on_card(dst)) != kinds[kind]:
            raise AddressError(f"a copy of kind {kind} from {src:#x} to {dst:#x}")
        card = (dst if is_on_card(dst) else src) // CARD - FIRST
        if card != stream_of(cards, stream).device:
            raise AddressError(f"a copy with card {card} on a stream of card {stream_of(cards, stream).device}")
        copy(dst, src, size, stream, "copy")

    def memcpyPeerAsync(dst: int, dstDevice: int, src: int, srcDevice: int, size: int, stream: int) -> None:  # noqa: N802
        for address, device in ((dst, dstDevice), (src, srcDevice)):
            if address // CARD - FIRST != device:
                raise AddressError(f"{address:#x} is no memory of card {device}")
        if (srcDevice, dstDevice) not in enabled:
            raise AssertionError("without peer access the driver copies through memory of its own, and the host may have to wait")
        copy(dst, src, size, stream, "peer copy")

    def memsetAsync(ptr: int, value: int, size: int, stream: int) -> None:  # noqa: N802
        cards.find(ptr, size)
        cards.calls["memset"] += 1
        cards.scheduler.put(stream_of(cards, stream), lambda: cards.find(ptr, size).fill(value), "memset")

    def getDeviceProperties(device: int) -> dict[str, Any]:  # noqa: N802
        major, minor = cards.capability
        total = cards.memories[device].size
        return {"name": b"Stand-in", "totalGlobalMem": total, "major": major, "minor": minor, "multiProcessorCount": 8}

    def memGetInfo() -> tuple[int, int]:  # noqa: N802
        memory = cards.memories[cards.device]
        return memory.size - memory.used, memory.size

    def getDeviceCount() -> int:  # noqa: N802
        if not cards.memories:
            raise CUDARuntimeError(100, "cudaErrorNoDevice: no CUDA-capable device is detected")
        return len(cards.memories)

    def deviceCanAccessPeer(device: int, peerDevice: int) -> int:  # noqa: N802
        return int(cards.peers)

    enabled: set[tuple[int, int]] = set()

    def deviceEnablePeerAccess(peerDevice: int) -> None:  # noqa: N802
        if not cards.peers:
            raise CUDARuntimeError(217, "cudaErrorPeerAccessUnsupported")
        if (cards.device, peerDevice) in enabled:
            raise CUDARuntimeError(704, "cudaErrorPeerAccessAlreadyEnabled: peer access is already enabled")
        enabled.add((cards.device, peerDevice))

    return SimpleNamespace(
        CUDARuntimeError=CUDARuntimeError, memcpyHostToDevice=1, memcpyDeviceToHost=2, memcpyDeviceToDevice=3,
        memcpyAsync=memcpyAsync, memcpyPeerAsync=memcpyPeerAsync, memsetAsync=memsetAsync,
        getDeviceProperties=getDeviceProperties, memGetInfo=memGetInfo, getDeviceCount=getDeviceCount,
        driverGetVersion=lambda: 12090, runtimeGetVersion=lambda: 12090,
        deviceCanAccessPeer=deviceCanAccessPeer, deviceEnablePeerAccess=deviceEnablePeerAccess,
    )  # fmt: skip


def stream_of(cards: Cards, pointer: int) -> Queue:
    """The queue of a raw stream handle."""
    return cards.scheduler.queues[pointer - 1]


def _memory_classes(cards: Cards, runtime: SimpleNamespace) -> dict[str, Any]:
    class Memory:
        """Memory of the current card."""

        def __init__(self, size: int):
            self._piece: Piece | None = None
            cards.refuse_in_capture("allocating")
            memory = cards.memories[cards.device]
            if memory.used + size > memory.size:
                raise runtime.CUDARuntimeError(2, "cudaErrorMemoryAllocation: out of memory")
            self._piece = memory.allocate(size)
            self.ptr, self.size, self.device_id = self._piece.address, size, memory.device

        def __del__(self) -> None:
            if self._piece is not None:  # giving memory back waits for the card
                cards.scheduler.drain(self.device_id)
                cards.memories[self.device_id].free(self._piece)

    class MemoryPointer:
        def __init__(self, mem: Memory, offset: int):
            self.mem, self.ptr, self.device_id = mem, mem.ptr + offset, mem.device_id

        def __add__(self, offset: int) -> MemoryPointer:
            return MemoryPointer(self.mem, self.ptr - self.mem.ptr + offset)

    def alloc_pinned_memory(size: int) -> PinnedMemory:
        cards.refuse_in_capture("allocating")
        return PinnedMemory(size)

    return {"Memory": Memory, "MemoryPointer": MemoryPointer, "alloc_pinned_memory": alloc_pinned_memory}


def _device_class(cards: Cards, runtime: SimpleNamespace) -> type:
    class Device:
        def __init__(self, device: int):
            if not 0 <= device < len(cards.memories):
                raise runtime.CUDARuntimeError(101, "cudaErrorInvalidDevice: invalid device ordinal")
            self.id = device
            self.compute_capability = "".join(map(str, cards.capability))

        def __enter__(self) -> Device:
            cards.push(self.id)
            return self

        def __exit__(self, *_: object) -> None:
            cards.pop()

    return Device


def _array_class() -> type:
    class ndarray:  # noqa: N801
        """A C-contiguous array on a card.  NumPy must not take it for one of its own."""

        __array__ = None
        __array_ufunc__ = None

        def __init__(self, shape: tuple[int, ...], dtype: Any = float, memptr: Any = None):
            self.shape, self.dtype, self.data = tuple(shape), np.dtype(dtype), memptr
            self.size = int(np.prod(self.shape, dtype=np.int64))
            self.nbytes = self.size * self.dtype.itemsize

    return ndarray


def _module_class(cards: Cards) -> type:
    class RawModule:
        def __init__(self, *, code: str, options: tuple[str, ...] = (), name_expressions: Sequence[str] = ()):
            self._code, self._names = code, tuple(name_expressions)
            self._kernels: dict[str, Kernel] | None = None

        def compile(self, log_stream: Any = None) -> None:
            assert cards.execute is not None, "no way to run kernels was given"
            self._kernels = cards.execute(self._code, self._names)

        def get_function(self, name: str) -> Callable[..., None]:
            if self._kernels is None:
                self.compile()
            assert self._kernels is not None
            kernel = self._kernels[name]

            def launch(grid: tuple[int, ...], block: tuple[int, ...], args: Sequence[Any]) -> None:
                stream = cards.streams[-1]
                if stream.device_id != cards.device:
                    raise CUDADriverError(f"CUDA_ERROR_INVALID_HANDLE: {name} on a stream of a card that is not the current one")
                cards.calls["kernel"] += stream.queue.capture is None
                real = [_argument(cards, stream.device_id, argument) for argument in args]
                limits = (2**31 - 1, 65535, 65535)
                if any(not 1 <= extent <= limit for extent, limit in zip(grid, limits, strict=True)) or np.prod(block) > 1024:
                    raise CUDADriverError(f"CUDA_ERROR_INVALID_VALUE: {name} on a grid of {grid} blocks of {block}")

                def run() -> None:
                    cards.launched.append(name)
                    kernel(grid, block, [argument() for argument in real])
                    cards.memories[stream.device_id].check()

                cards.scheduler.put(stream.queue, run, name)

            return launch

    return RawModule


def _argument(cards: Cards, device: int, argument: Any) -> Callable[[], Any]:
    """An argument of a kernel, as a function of the time when it runs: arrays become addresses in this process."""
    if isinstance(argument, np.generic):
        return lambda: argument
    if not hasattr(argument, "data") or isinstance(argument, np.ndarray):
        raise AddressError(f"{type(argument).__name__} is no array on a card")
    if argument.data.device_id != device:
        raise AddressError(f"a kernel on card {device} takes an array of card {argument.data.device_id}")
    address, size = argument.data.ptr, argument.nbytes  # which is all that a launch keeps of it
    return lambda: int(cards.find(address, size).ctypes.data)
