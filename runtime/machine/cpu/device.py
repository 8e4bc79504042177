"""The CPU device: arenas of host memory, worker threads, and launches of the kernels in runtime/ops."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from math import prod
from time import perf_counter
from typing import Any

import numpy as np

from netdef.language.diagnostics import NetdefError
from runtime.compiler.passes.narrow import Forms
from runtime.ir.program import Buffer, Instruction, Program
from runtime.kernels.cpu.ahead import compile_ahead
from runtime.kernels.cpu.cached import cached
from runtime.kernels.cpu.jit import compiled
from runtime.kernels.cpu.native import entry
from runtime.kernels.cpu.registry import Launch
from runtime.kernels.operand import Kept, Operand, Workspace
from runtime.kernels.rooms import load_rooms
from runtime.machine.cpu.available import available, promise
from runtime.machine.cpu.cores import available_cores
from runtime.machine.cpu.needs import planned, workspace_bytes
from runtime.machine.cpu.queue import HostQueue, Peers, one_blas_thread
from runtime.machine.cpu.workers import Compiled, Job, Work, Workers, chunks_of
from runtime.machine.device import HOST, BoundInstruction, Keeping, run_in_order


def in_turn(launches: Sequence[BoundInstruction]) -> BoundInstruction:
    """What runs all launches of an instruction."""
    if len(launches) == 1:
        return launches[0]

    def run() -> None:
        for launch in launches:
            launch()

    return run


class CpuDevice:
    """Host memory and worker threads.

    Parameters
    ----------
    threads: how many threads compute; default: the cores this process may use.
    index: N of cpu:N.
    peers: what it has in common with the other devices of its program.
    """

    pool = HOST
    forms: Forms | None = None

    def __init__(self, threads: int | None = None, index: int = 0, peers: Peers | None = None):
        load_rooms("cpu")
        self.name = f"cpu:{index}"
        self.threads = threads or available_cores()
        self.workers = Workers(self.threads)
        self._peers = peers or Peers()
        self._queues: dict[str, HostQueue] = {}
        self._scratch: list[np.ndarray] = []
        self._workspace = np.empty(0, np.uint8)
        self._moves = 0  # how often scratch or workspace were made anew
        self._bound: set[str] = set()
        self._unprepared: dict[str, Callable[[], tuple[Any, ...]]] = {}  # what kernels bound since will be called with

    @property
    def queue(self) -> HostQueue:
        return self._queue("kernels")

    @property
    def copies(self) -> HostQueue:
        return self._queue("copies")

    def _queue(self, name: str) -> HostQueue:
        if name not in self._queues:
            self._queues[name] = self._peers.queue(self.name, name)
        return self._queues[name]

    def allocate(self, size: int) -> np.ndarray:
        """An arena of `size` bytes, zeroed, its start on a cache line.

        Raises
        ------
        NetdefError: if the machine has not that much memory to give.
        """
        try:
            raw = np.zeros(size + 64, np.uint8)
        except MemoryError:
            raise NetdefError(
                f"out of memory on {self.name}: the program needs {size / 2**30:.1f} GiB in one piece",
                hint="a smaller batch_size needs less",
            ) from None
        promise(raw)
        start = -raw.ctypes.data % 64
        return raw[start : start + size]

    def memory(self) -> tuple[int, int] | None:
        """What the machine, and the limits of this process, leave before the system swaps."""
        return available()

    def workspace_bytes(self, programs: Sequence[Program], shares: Collection[int]) -> int:
        """Every worker's scratch, and the workspace."""
        return workspace_bytes(programs, shares, self.threads)

    def array(self, memory: np.ndarray, offset: int, shape: tuple[int, ...], dtype: str) -> np.ndarray:
        """The array at a byte offset of `memory`."""
        size = prod(shape) * np.dtype(dtype).itemsize
        return memory[offset : offset + size].view(dtype).reshape(shape)

    def reserve(self, scratch: int, workspace: int) -> None:
        """Make every worker's private memory (in floats), and the workspace (in bytes), at least this large."""
        if not self._scratch or self._scratch[0].size < scratch:
            self._moves += 1
            self._scratch = [self.allocate(4 * max(scratch, 16)).view(np.float32) for _ in range(self.threads)]
        if self._workspace.size < workspace:
            self._moves += 1
            self._workspace = self.allocate(workspace)

    def bind(self, instruction: Instruction, arrays: Callable[[Buffer], np.ndarray]) -> BoundInstruction:
        """Make an instruction ready to run: planned now, its kernels, arrays and constants looked up once."""
        given = [arrays(buffer) for buffer in instruction.buffers]
        if instruction.is_send:
            source, target = given
            return lambda: np.copyto(target, source)
        made = planned(instruction, self.threads)
        self.reserve(max(launch.scratch for launch in made.launches), made.workspace)
        kept = self.allocate(made.kept) if made.kept else np.empty(0, np.uint8)
        launches = [self._launcher(launch, given, kept) for launch in made.launches]
        if made.kept:
            again = [run for launch, run in zip(made.launches, launches, strict=True) if not launch.once]
            return Keeping(in_turn(launches), in_turn(again))
        return in_turn(launches)

    def forget(self, bound: Collection[BoundInstruction]) -> None:
        """Nothing is kept."""

    def _launcher(self, launch: Launch, given: Sequence[np.ndarray], kept: np.ndarray) -> BoundInstruction:
        function = compiled(launch.kernel.function)
        self._bound.add(launch.kernel.name)
        constants = tuple(launch.constants.values())

        def arguments(worker: int) -> tuple[Any, ...]:
            """Behind begin and end."""
            scratch = (self._scratch[worker][: launch.scratch],) if launch.kernel.scratch else ()
            return (*(self._array(operand, given, kept) for operand in launch.arrays), *scratch, *constants)

        def piece(worker: int, begin: int, end: int) -> None:
            function(begin, end, *arguments(worker))

        @lru_cache(1)
        def work(memory: int) -> Work:
            """memory: where scratch and workspace are, which larger ones may have replaced."""
            found = entry(launch.kernel.function, (0, launch.items, *arguments(0))) if launch.items else None
            if found is None:
                return piece
            blocks = [found.block(arguments(worker)) for worker in range(self.threads)]
            return Compiled(piece, Job(found.code, blocks, chunks_of(launch.items, self.threads)))

        self._unprepared[launch.kernel.name] = lambda: (0, launch.items, *arguments(0))
        return lambda: self.workers.run(work(self._moves), launch.items)

    def _array(self, operand: Operand, given: Sequence[np.ndarray], kept: np.ndarray) -> np.ndarray:
        if isinstance(operand.pointer, Kept):
            return self.array(kept, operand.pointer.offset, operand.shape, operand.dtype)
        if isinstance(operand.pointer, Workspace):
            return self.array(self._workspace, operand.pointer.offset, operand.shape, operand.dtype)
        assert isinstance(operand.pointer, int)
        array = given[operand.pointer]
        return array if array.shape == operand.shape else array.reshape(operand.shape)

    @property
    def kernels_known(self) -> bool:
        """Whether numba compiled the kernels of what was bound on this machine before."""
        return cached(self._bound)

    def prepare(self) -> None:
        """Compile the kernels of what was bound since, with as many processes as the device has threads."""
        compile_ahead(((name, example()) for name, example in self._unprepared.items()), self.threads)
        self._unprepared.clear()

    def run(self, bound: Sequence[BoundInstruction]) -> None:
        """Run bound instructions in order; they are done when it returns.

        Raises
        ------
        LaunchError: one failed.
        """
        with one_blas_thread:
            run_in_order(self.name, bound)

    def times(self, bound: Sequence[BoundInstruction]) -> list[float]:
        """Seconds that each of these takes, run one after the other."""
        seconds = []
        for instruction in bound:
            begun = perf_counter()
            self.run([instruction])
            seconds.append(perf_counter() - begun)
        return seconds

    def synchronize(self) -> None:
        """Nothing is ever left running: `run` and `settle` wait."""

    def settle(self) -> None:
        """Wait until the queues of all devices of the program are empty.

        Raises
        ------
        LaunchError: an instruction failed, here or on a peer.
        """
        self._peers.settle()

    def write(self, array: np.ndarray, values: np.ndarray) -> None:
        """Copy from the host; broadcast as NumPy does."""
        array[...] = values

    upload = write

    def host_array(self, shape: tuple[int, ...], dtype: str) -> None:
        """None: any array is as good."""

    def read(self, array: np.ndarray) -> np.ndarray:
        """A copy for the host."""
        return array.copy()

    def close(self) -> None:
        """End the worker threads."""
        for queue in self._queues.values():
            queue.close()
        self.workers.close()
