"""The CUDA device: a graphics card through CuPy; kernels of runtime/ops, matrix products by cuBLAS.

Everything is put on a stream and the host goes on at once.  There is one for kernels, one for uploads of data, and one for what is
sent to other cards.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from netdef.language.diagnostics import NetdefError
from netdef.language.units import binary
from runtime.ir.program import Buffer, Instruction, Program
from runtime.kernels.cuda.options import CudaOptions
from runtime.kernels.cuda.registry import CUDA_KERNELS, Launch, forms_on, plan
from runtime.kernels.operand import Operand
from runtime.kernels.rooms import load_rooms
from runtime.machine.cuda import needs as cuda_needs
from runtime.machine.cuda.bound import CudaInstruction, HostInstruction, named, runs_on_host
from runtime.machine.cuda.cards import find_card, first_line, load_cupy
from runtime.machine.cuda.gemm import Cublas, load_library, workspace_of
from runtime.machine.cuda.graphs import Graphs
from runtime.machine.cuda.kernels import Kernels, check_compiler
from runtime.machine.cuda.page_locked import OUT_OF_MEMORY, page_locked_array
from runtime.machine.cuda.peers import CardPeers
from runtime.machine.cuda.progress import Progress
from runtime.machine.cuda.transfers import Transfers
from runtime.machine.device import BoundInstruction, Wait, run_in_order, waits_for_each


class CudaQueue:
    """A stream of a card, and the graphs of the instructions that run on it."""

    def __init__(self, device: CudaDevice, stream: Any):
        self.stream, self._device = stream, device
        self.graphs = Graphs(device.name, stream, device.options.graphs, lambda bound: getattr(bound, "capturable", False))

    def run(self, bound: Sequence[BoundInstruction]) -> None:
        """Put bound instructions on the stream, in order.

        Raises
        ------
        LaunchError: one failed.
        """
        with self._device.here(), self.stream:
            self._device.resolve()
            self._device.after_writes(self.stream)
            self._device.progress.put(bound)
            if waits_for_each():
                run_in_order(self._device.name, bound, self.stream.synchronize)
            else:
                self.graphs.run(bound)

    def record(self) -> Any:
        """An event that happens when all that was put on this stream before is done."""
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
    target: what plans may know of it.
    queue: for kernels.  copies: for what is sent to other cards.
    progress: what was put on the queues since the card was last waited for.
    for_messages: how many bytes messages to other ranks take for programs, of its shares.

    Raises
    ------
    NoCudaError: there is no such card, or it cannot be used.
    """

    threads = 0

    def __init__(self, index: int, options: CudaOptions | None = None):
        load_rooms("cuda")
        self.options = options or CudaOptions()
        self.card = find_card(index)
        self.target = self.options.target(self.card.multiprocessors, self.card.capability)
        self.name = self.pool = f"gpu:{index}"
        self.forms = forms_on(self.target)
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
            self.cublas = Cublas(self._library, compute.ptr, self.target.math, self._cublas_memory.ptr, products)
        self.queue, self.copies = CudaQueue(self, compute), CudaQueue(self, copies)
        self._streams: tuple[Any, ...] = (compute, upload, copies)
        self._sending = [copies]
        self.peers = CardPeers(self.cupy, self.card, self.here, copies)
        self._numbers: dict[int, np.ndarray] = {}  # single numbers as the host last wrote them, by address
        self.progress = Progress()
        self.for_messages: Callable[[Sequence[Program], Collection[int]], int] = lambda programs, shares: 0
        self._wrote: Any = None  # behind the host's last write
        self._before: set[int] = set()  # streams of what is sent to others that have not waited for it, by their address
        self._unresolved: list[CudaInstruction] = []
        self._workspaces: list[Any] = []  # the last one serves new instructions; those bound before, and graphs, keep theirs
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
        self._numbers = {at: number for at, number in self._numbers.items() if not memory.ptr <= at < memory.ptr + size}
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

    def workspace_bytes(self, programs: Sequence[Program], shares: Collection[int]) -> int:
        """Bytes for the matrices of convolutions, for data on their way, for constants, and for what CUDA itself takes.

        Raises
        ------
        NetdefError: the matrices need more than --workspace.
        """
        mine = [(program, share) for program in programs for share in shares]
        matrices = max(cuda_needs.workspace(program, share, self.options, self.target) for program, share in mine)
        held = sum(
            cuda_needs.landing_bytes(program, share) + cuda_needs.constants(program, share, self.target) for program, share in mine
        )
        return matrices + held + self.for_messages(programs, shares) + cuda_needs.reserve(self.card.memory)

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

    def bind(self, instruction: Instruction, arrays: Callable[[Buffer], Any]) -> BoundInstruction:
        """Make an instruction ready to run: planned now, its kernels compiled before the first run."""
        given = [arrays(buffer) for buffer in instruction.buffers]
        if instruction.is_send:
            return self.peers.send(*given)
        if runs_on_host(instruction):
            return HostInstruction(instruction, given, self)
        if instruction.kernel not in CUDA_KERNELS:
            missing = f"there is no CUDA kernel {instruction.kernel} yet"
            raise NetdefError(f"layer '{instruction.layer}' cannot run on {self.name}: {missing}")
        pairs = zip(given, instruction.buffers, strict=True)
        operands = [Operand(tuple(array.shape), buffer.dtype, int(array.data.ptr)) for array, buffer in pairs]
        planned = plan(instruction.kernel, operands, instruction.constants, self.target)
        constants = {name: self._constant(instruction.constants[name]) for name in named(planned)}
        self._needed = max(self._needed, planned.workspace)
        for one in planned.launches:
            if isinstance(one, Launch):
                self.kernels.want(one.file, one.function)
        bound = CudaInstruction(instruction, planned, given, constants)
        self._unresolved.append(bound)
        return bound

    def prepare(self) -> None:
        """Its queues do, see `resolve`."""

    def forget(self, bound: Collection[BoundInstruction]) -> None:
        """Drop the graphs that bound instructions are part of, and with them their arrays; and what uploads went through."""
        gone = set(map(id, bound))
        self._unresolved = [one for one in self._unresolved if id(one) not in gone]
        for queue in (self.queue, self.copies):
            queue.graphs.forget(gone)
        self.transfers.release()

    @property
    def kernels_known(self) -> bool:
        """Whether the kernels of what was bound were compiled on this machine before."""
        return self.kernels.known

    def run(self, bound: Sequence[BoundInstruction]) -> None:
        """Put bound instructions on the stream, in order.

        Raises
        ------
        LaunchError: one failed.
        """
        self.queue.run(bound)

    def resolve(self) -> None:
        """Compile the kernels of instructions that were bound since, and give their matrices room."""
        if not self._unresolved:
            return
        self.kernels.compile()
        if self._needed > (self._workspaces[-1].size if self._workspaces else 0):
            self._workspaces.append(CudaWorkspace(self, self._memory(self._needed), self._needed))
        for bound in self._unresolved:
            bound.resolve(self.kernels, self.cublas, self._workspaces[-1] if self._workspaces else None)
        self._unresolved.clear()

    def _constant(self, values: np.ndarray) -> Any:
        values = np.ascontiguousarray(values, np.float32)
        array = self.array(self.allocate(values.nbytes), 0, values.shape, "float32")
        self.write(array, values)
        return array

    def synchronize(self) -> None:
        """Wait until the streams are empty.

        Raises
        ------
        NetdefError: a kernel failed.
        """
        with self.here():
            for stream in self._streams:
                stream.synchronize()
        self.transfers.done()
        self.progress.done()

    def settle(self) -> None:
        """Nothing: the card works by itself."""

    def times(self, bound: Sequence[BoundInstruction]) -> list[float]:
        """Seconds that each of these takes, by the card's own clock; they are put on the stream one by one.

        All run once before, so that the host is ahead of the card by then, and its own time is not in theirs.

        Raises
        ------
        LaunchError: one failed.
        """
        with self.here(), self.queue.stream:
            self.resolve()
            run_in_order(self.name, bound)
            events = [self.cupy.cuda.Event() for _ in range(len(bound) + 1)]
            events[0].record(self.queue.stream)
            for instruction, event in zip(bound, events[1:], strict=True):
                run_in_order(self.name, [instruction])
                event.record(self.queue.stream)
            events[-1].synchronize()
            elapsed = self.cupy.cuda.get_elapsed_time
            return [float(elapsed(*pair)) / 1000 for pair in pairwise(events)]

    # The host

    def write(self, array: Any, values: np.ndarray) -> None:
        """Copy from the host; broadcast as NumPy does.  After all that was run before."""
        if array.size == 1:
            self._numbers[array.data.ptr] = np.array(values, array.dtype).reshape(array.shape)
        with self.here():
            self.transfers.write(array, values)
            self._note_write()

    def number(self, array: Any) -> np.ndarray:
        """The number that the host last wrote to an array of one number that no kernel writes to; 0 before.  Nothing is read."""
        return self._numbers.get(array.data.ptr, np.zeros(array.shape, array.dtype))

    def upload(self, array: Any, values: np.ndarray) -> Wait | None:
        """`write` for data that are written for every run: copied while the card still computes the run before."""
        with self.here():
            copied = self.transfers.upload(array, values)
            self._note_write()
        return None if copied is None else partial(self._wait_for, copied)

    def host_array(self, shape: tuple[int, ...], dtype: str) -> np.ndarray:
        """Page-locked memory."""
        with self.here():
            return page_locked_array(self.cupy, shape, dtype)

    def _wait_for(self, event: Any) -> None:
        """Hold the calling thread, any one, until an event has happened."""
        with self.here():
            event.synchronize()

    def new_stream(self) -> Any:
        """A further stream of this card, for what is sent to others."""
        stream = self.cupy.cuda.Stream(non_blocking=True)
        self._sending.append(stream)
        self._streams = (*self._streams, stream)
        return stream

    def _note_write(self) -> None:
        """What the host writes is ordered with the kernels' stream; what is sent to others must come after it too."""
        if self._wrote is None:
            self._wrote = self.cupy.cuda.Event(disable_timing=True)
        self._wrote.record(self.queue.stream)
        self._before = {stream.ptr for stream in self._sending}

    def after_writes(self, stream: Any) -> None:
        """Let a stream wait for what the host wrote since the last call."""
        if stream.ptr in self._before:
            stream.wait_event(self._wrote)
            self._before.discard(stream.ptr)

    def read(self, array: Any) -> np.ndarray:
        """A copy for the host.  After all that was run before."""
        with self.here():
            values = self.transfers.read(array)
        if array.nbytes:
            self.progress.done()
        return values

    def close(self) -> None:
        """Wait for the card and give back what is held there.  What went wrong on it was raised before."""
        with suppress(NetdefError):
            self.synchronize()
        with suppress(NetdefError), self.here():
            self.cublas.close()
        for queue in (self.queue, self.copies):
            queue.graphs.clear()
        self.transfers.release()
        self.peers.detours.clear()
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
            hint = self.progress.suspects if self.progress.first else ""
            raise NetdefError(f"{self.name} ({self.card.name}) failed: {first_line(error)}", hint=hint) from error
