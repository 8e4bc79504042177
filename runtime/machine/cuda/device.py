"""The CUDA device: a graphics card through CuPy; kernels of runtime/kernels/cuda, matrix products by cuBLAS.

Everything is put on a stream and the host goes on at once.  There is one for kernels, one for uploads of data, and one for what is
sent to other cards.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from typing import Any

import numpy as np

from netdef.language.diagnostics import NetdefError
from netdef.language.units import binary
from runtime.ir.program import Buffer, Instruction, Program
from runtime.kernels.cuda.options import CudaOptions
from runtime.kernels.cuda.registry import CUDA_KERNELS, Launch, load_plans, plan
from runtime.kernels.operand import Operand
from runtime.machine.cuda import needs as cuda_needs
from runtime.machine.cuda.cards import find_card, first_line, load_cupy
from runtime.machine.cuda.gemm import Cublas, load_library, workspace_of
from runtime.machine.cuda.graphs import Graphs
from runtime.machine.cuda.kernels import Kernels, check_compiler
from runtime.machine.cuda.peers import Detour, SendStep
from runtime.machine.cuda.steps import CudaStep, HostStep, named, runs_on_host
from runtime.machine.cuda.transfers import OUT_OF_MEMORY, Transfers
from runtime.machine.device import Step

ALREADY_ENABLED = 704  # cudaErrorPeerAccessAlreadyEnabled
NO_PEER_ACCESS = (217, 711)  # cudaErrorPeerAccessUnsupported, cudaErrorTooManyPeers


class CudaQueue:
    """A stream of a card, and the graphs of the steps that run on it."""

    def __init__(self, device: CudaDevice, stream: Any):
        self.stream, self._device = stream, device
        self.graphs = Graphs(device.name, stream, device.options.graphs, lambda step: getattr(step, "capturable", False))

    def run(self, steps: Sequence[Step]) -> None:
        """Put bound instructions on the stream, in order."""
        with self._device.here(), self.stream:
            self._device.resolve()
            self._device.after_writes(self.stream)
            self.graphs.run(steps)

    def record(self) -> Any:
        """An event that happens when all that was put on this stream so far is done."""
        with self._device.here():
            event = self._device.cupy.cuda.Event(disable_timing=True)
            event.record(self.stream)
        return event

    def wait(self, event: Any) -> None:
        """Hold back what is put on this stream from now on until an event, of any stream of any card, has happened."""
        with self._device.here():
            self.stream.wait_event(event)


class CudaWorkspace:
    """Memory of `size` bytes that instructions use in turn.  Arrays in it keep it."""

    def __init__(self, device: CudaDevice, memory: Any, size: int):
        self.size, self._device, self._memory = size, device, memory

    def __call__(self, offset: int) -> Any:
        """The array from a byte offset on."""
        return self._device.array(self._memory, offset, (self.size - offset,), "uint8")


class CudaDevice:
    """A card and its streams.

    Parameters
    ----------
    index: N of gpu:N.

    Attributes
    ----------
    card: what it is.
    queue: for kernels.  copies: for what is sent to other cards.

    Raises
    ------
    NoCudaError: there is no such card, or it cannot be used.
    """

    threads = 0

    def __init__(self, index: int, options: CudaOptions | None = None):
        load_plans()
        self.options = options or CudaOptions()
        self.card = find_card(index)
        self.name = f"gpu:{index}"
        self.cupy = load_cupy()
        self._library = load_library(self.cupy)
        check_compiler(self.cupy)
        self._current = self.cupy.cuda.Device(index)
        with self.here():
            compute, copies, upload = (self.cupy.cuda.Stream(non_blocking=True) for _ in range(3))
            self.kernels = Kernels(self.cupy, self._current)
            self.transfers = Transfers(self.cupy, compute, upload, self._memory)
            products = workspace_of(self.card.memory)
            self._cublas_memory = self._memory(products)
            self.cublas = Cublas(self._library, compute.ptr, self.options.math, self._cublas_memory.ptr, products)
        self.queue, self.copies = CudaQueue(self, compute), CudaQueue(self, copies)
        self._streams = (compute, upload, copies)
        self._reached: set[int] = set()
        self._detours: dict[int, Detour] = {}
        self._told: dict[int, np.ndarray] = {}  # single numbers as the host last wrote them, by address
        self._wrote: Any = None  # behind the host's last write, until what is sent to others waits for it
        self._unresolved: list[CudaStep] = []
        self._workspaces: list[Any] = []  # the last one serves new steps; steps and graphs of before keep theirs
        self._needed = 0

    # Memory

    def allocate(self, size: int) -> Any:
        """Zeroed memory of `size` bytes on the card.

        Raises
        ------
        NetdefError: there is not that much.
        """
        with self.here():
            memory = self._memory(size)
            self.cupy.cuda.runtime.memsetAsync(memory.ptr, 0, size, self.queue.stream.ptr)
            self.queue.stream.synchronize()  # others may write here from streams of their own
        self._told = {at: number for at, number in self._told.items() if not memory.ptr <= at < memory.ptr + size}
        return memory

    def array(self, memory: Any, offset: int, shape: tuple[int, ...], dtype: str) -> Any:
        """The array at a byte offset of `memory`."""
        with self.here():
            return self.cupy.ndarray(shape, dtype, memptr=memory + offset)

    def memory(self) -> tuple[int, int]:
        """Bytes that can still be allocated, and bytes in all."""
        with self.here():
            free, total = self.cupy.cuda.runtime.memGetInfo()
        return int(free), int(total)

    def besides(self, programs: Sequence[Program], shares: Collection[int]) -> int:
        """Bytes for the matrices of convolutions, for data on their way, for constants, and for what CUDA itself takes.

        Raises
        ------
        NetdefError: the matrices need more than --workspace.
        """
        mine = [(program, share) for program in programs for share in shares]
        matrices = max(cuda_needs.workspace(program, share, self.options) for program, share in mine)
        held = sum(cuda_needs.places(program, share) + cuda_needs.constants(program, share) for program, share in mine)
        return matrices + held + cuda_needs.reserve(self.card.memory)

    def _memory(self, size: int) -> Any:
        cuda = self.cupy.cuda
        try:
            return cuda.MemoryPointer(cuda.Memory(max(size, 1)), 0)
        except (MemoryError, cuda.runtime.CUDARuntimeError) as error:
            if getattr(error, "status", OUT_OF_MEMORY) != OUT_OF_MEMORY:
                raise
            free, total = cuda.runtime.memGetInfo()
            raise NetdefError(
                f"out of memory on {self.name}: {binary(size)} are needed in one piece, {binary(free)} of {binary(total)} are free",
                hint="a smaller batch_size needs less",
            ) from None

    # Running

    def bind(self, step: Instruction, arrays: Callable[[Buffer], Any]) -> Step:
        """Make an instruction ready to run: planned now, its kernels compiled before the first run."""
        given = [arrays(buffer) for buffer in step.buffers]
        if step.kernel == "send":
            return SendStep(self, *given)
        if runs_on_host(step):
            return HostStep(self, step, given)
        if step.kernel not in CUDA_KERNELS:
            raise NetdefError(f"layer '{step.layer}' cannot run on {self.name}: there is no CUDA kernel {step.kernel} yet")
        operands = [Operand(tuple(array.shape), str(np.dtype(array.dtype)), int(array.data.ptr)) for array in given]
        planned = plan(step.kernel, operands, step.constants, self.options.workspace_limit)
        constants = {name: self._constant(step.constants[name]) for name in named(planned)}
        self._needed = max(self._needed, planned.workspace)
        for part in planned.steps:
            if isinstance(part, Launch):
                self.kernels.want(part.file, part.function)
        bound = CudaStep(planned, given, constants)
        self._unresolved.append(bound)
        return bound

    @property
    def kernels_known(self) -> bool:
        """Whether the kernels of what was bound were compiled on this machine before."""
        return self.kernels.known

    def run(self, steps: Sequence[Step]) -> None:
        """Put bound instructions on the stream, in order."""
        self.queue.run(steps)

    def resolve(self) -> None:
        """Compile the kernels of steps that were bound since, and give their matrices room."""
        if not self._unresolved:
            return
        self.kernels.compile()
        if self._needed > (self._workspaces[-1].size if self._workspaces else 0):
            self._workspaces.append(CudaWorkspace(self, self._memory(self._needed), self._needed))
        for step in self._unresolved:
            step.resolve(self.kernels, self.cublas, self._workspaces[-1] if self._workspaces else None)
        self._unresolved.clear()

    def _constant(self, values: np.ndarray) -> Any:
        values = np.ascontiguousarray(values, np.float32)
        array = self.array(self.allocate(values.nbytes), 0, values.shape, "float32")
        self.write(array, values)
        return array

    def reaches(self, other: int) -> bool:
        """Whether this card can write to the memory of another one directly; if so, it may from now on."""
        if other not in self.card.peers:
            return False
        if other not in self._reached:
            runtime = self.cupy.cuda.runtime
            with self.here():
                try:
                    runtime.deviceEnablePeerAccess(other)
                except runtime.CUDARuntimeError as error:
                    if error.status in NO_PEER_ACCESS:
                        return False
                    if error.status != ALREADY_ENABLED:
                        raise
            self._reached.add(other)
        return True

    def detour(self, other: int) -> Detour:
        """The way to a card that this one does not reach."""
        if other not in self._detours:
            with self.here():
                self._detours[other] = Detour(self.cupy, self.copies.stream, other)
        return self._detours[other]

    def synchronize(self) -> None:
        """Wait until the streams are empty.

        Raises
        ------
        NetdefError: a kernel failed.
        """
        with self.here():
            for stream in self._streams:
                stream.synchronize()

    def settle(self) -> None:
        """Nothing: the card works by itself."""

    def times(self, steps: Sequence[Step]) -> list[float]:
        """Seconds that each of these steps takes, by the card's own clock; they are put on the stream one by one.

        All run once before, so that the host is ahead of the card by then, and its own time is not in the steps'.
        """
        with self.here(), self.queue.stream:
            self.resolve()
            for step in steps:
                step()
            events = [self.cupy.cuda.Event() for _ in range(len(steps) + 1)]
            events[0].record(self.queue.stream)
            for step, event in zip(steps, events[1:], strict=True):
                step()
                event.record(self.queue.stream)
            events[-1].synchronize()
            elapsed = self.cupy.cuda.get_elapsed_time
            return [float(elapsed(*pair)) / 1000 for pair in pairwise(events)]

    # The host

    def write(self, array: Any, values: np.ndarray) -> None:
        """Copy from the host; broadcast as NumPy does.  After all that was run before."""
        if array.size == 1:
            self._told[array.data.ptr] = np.array(values, array.dtype).reshape(array.shape)
        with self.here():
            self.transfers.write(array, values)
            self._note_write()

    def told(self, array: Any) -> np.ndarray:
        """The one number that the host last wrote to an array no kernel writes to; the card is not asked.  Memory begins as 0."""
        return self._told.get(array.data.ptr, np.zeros(array.shape, array.dtype))

    def upload(self, array: Any, values: np.ndarray) -> None:
        """`write` for data that come anew for every run: copied while the card still computes the run before."""
        with self.here():
            self.transfers.upload(array, values)
            self._note_write()

    def _note_write(self) -> None:
        """What the host writes is ordered with the kernels' stream; what is sent to others must come after it too."""
        if self._wrote is None:
            self._wrote = self.cupy.cuda.Event(disable_timing=True)
        self._wrote.record(self.queue.stream)

    def after_writes(self, stream: Any) -> None:
        """Let a stream wait for what the host wrote since this was last asked."""
        if self._wrote is not None and stream is self.copies.stream:
            stream.wait_event(self._wrote)
            self._wrote = None

    def read(self, array: Any) -> np.ndarray:
        """A copy for the host.  After all that was run before."""
        with self.here():
            return self.transfers.read(array)

    def close(self) -> None:
        """Wait for the card and give back what is held there.  What went wrong on it has been told already."""
        with suppress(NetdefError):
            self.synchronize()
        with suppress(NetdefError), self.here():
            self.cublas.close()
        for queue in (self.queue, self.copies):
            queue.graphs.forget()
        self.transfers.close()
        self._detours.clear()
        self._unresolved.clear()
        self._workspaces.clear()
        self._cublas_memory = None

    @contextmanager
    def here(self) -> Iterator[None]:
        """With this card as the current one; CUDA's errors as one line."""
        cuda = self.cupy.cuda
        try:
            with self._current:
                yield
        except (cuda.runtime.CUDARuntimeError, cuda.driver.CUDADriverError) as error:
            raise NetdefError(f"{self.name} ({self.card.name}) failed: {first_line(error)}") from error
