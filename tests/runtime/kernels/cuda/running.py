"""Plans run on host memory by kernels built for it: each array in memory of its own, exactly as large as it is."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from runtime.kernels.cuda.registry import AnyLaunch, Gemm, Launch, Matrix, Plan
from runtime.kernels.operand import Operand, Pointer, Workspace
from tests.runtime.kernels.cuda.on_cpu import Module

ALIGNMENT = 64
_libc = ctypes.CDLL(None)
_libc.free.argtypes = [ctypes.c_void_p]


class Memory:
    """Copies of arrays in allocations of their own, so that a sanitizer sees the first byte beside them; freed at the end."""

    def __init__(self) -> None:
        self._held: list[int] = []

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, *_: object) -> None:
        while self._held:
            _libc.free(self._held.pop())

    def copy(self, array: np.ndarray, shift: int = 0) -> np.ndarray:
        """shift: how many numbers the copy starts after an aligned address."""
        start, held = shift * array.itemsize, ctypes.c_void_p()
        if _libc.posix_memalign(ctypes.byref(held), ctypes.c_size_t(ALIGNMENT), ctypes.c_size_t(start + array.nbytes)):
            raise MemoryError
        assert held.value is not None
        self._held.append(held.value)
        bytes_ = (ctypes.c_char * array.nbytes).from_address(held.value + start)
        made = np.frombuffer(bytes_, array.dtype).reshape(array.shape)
        made[...] = array
        return made


def operand(array: np.ndarray) -> Operand:
    return Operand(array.shape, str(array.dtype), array.ctypes.data % ALIGNMENT)


def functions_of(plans: Iterable[Plan]) -> dict[str, list[str]]:
    """What plans launch, by file."""
    needed: dict[str, set[str]] = {}
    for planned in plans:
        for step in planned.launches:
            if isinstance(step, Launch):
                needed.setdefault(step.file, set()).add(step.function)
    return {file: sorted(names) for file, names in needed.items()}


def pointers_of(planned: Plan) -> set[Pointer]:
    """All arrays that a plan uses."""
    launched = {pointer for step in planned.launches if isinstance(step, Launch) for pointer in step.pointers}
    return launched | {m.pointer for step in planned.launches if isinstance(step, Gemm) for m in (step.a, step.b, step.c)}


Arrays = Mapping[Pointer, np.ndarray]


def arrays_of(planned: Plan, arrays: Sequence[np.ndarray], constants: Mapping[str, Any], memory: Memory) -> Arrays:
    """What the pointers of a plan mean: an instruction's arrays, a workspace of NaN, and constants that are arrays."""
    given: dict[Pointer, np.ndarray] = dict(enumerate(arrays))
    workspace = memory.copy(np.full(planned.workspace // 4, np.nan, np.float32))
    given |= {pointer: workspace[pointer.offset // 4 :] for pointer in pointers_of(planned) if isinstance(pointer, Workspace)}
    return given | {name: memory.copy(value) for name, value in constants.items() if isinstance(value, np.ndarray)}


def run_plan(planned: Plan, arrays: Arrays, modules: Mapping[str, Module], seed: int) -> None:
    """Carry out an instruction on host arrays, in an order drawn from the seed."""
    for step in planned.launches:
        run_step(step, arrays, modules, seed)


def run_step(step: AnyLaunch, arrays: Arrays, modules: Mapping[str, Module], seed: int) -> None:
    """One launch or matrix product of it."""
    if isinstance(step, Launch):
        arguments = [*(arrays[pointer].ctypes.data for pointer in step.pointers), *step.scalars]
        modules[step.file].launch(step.function, step.grid, step.block, arguments, seed)
    else:
        multiply(step, arrays)


def multiply(step: Gemm, arrays: Arrays) -> None:
    """What cuBLAS would do."""
    for index in range(step.batch):
        a = view(step.a, arrays[step.a.pointer], step.m, step.k, index)
        b = view(step.b, arrays[step.b.pointer], step.k, step.n, index)
        c = view(step.c, arrays[step.c.pointer], step.m, step.n, index)
        c[...] = a @ b + (c if step.accumulate else 0)


def view(matrix: Matrix, array: np.ndarray, rows: int, columns: int, index: int) -> np.ndarray:
    """One matrix of a batch, as it is used; it must lie inside its array."""
    stored = (columns, rows) if matrix.transposed else (rows, columns)
    assert matrix.leading >= stored[1], "rows overlap"
    flat = array.reshape(-1)[matrix.offset + index * matrix.stride :]
    assert flat.size >= (stored[0] - 1) * matrix.leading + stored[1], "a matrix reaches beyond its array"
    found = np.lib.stride_tricks.as_strided(flat, stored, (4 * matrix.leading, 4))
    assert prod(stored) > 0
    return found.T if matrix.transposed else found
