"""How many bytes of its arrays a kernel loads and stores, each counted once, however often it is loaded again; and its races."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence

import numpy as np

from runtime.kernels.cuda.registry import Launch
from tests.runtime.kernels.cuda.checks import Check, placed
from tests.runtime.kernels.cuda.on_cpu import Module
from tests.runtime.kernels.cuda.running import Memory, run_step

LOADED, STORED = 1, 2


def watch(module: Module, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Have a traced module note what it touches of arrays from now on; (how each byte was touched) of each."""
    seen = [np.zeros(array.nbytes, np.uint8) for array in arrays]
    begins, marks = ((ctypes.c_void_p * len(arrays))(*(a.ctypes.data for a in which)) for which in (arrays, seen))
    module.code.first_race.restype = ctypes.c_char_p
    module.code.watch(len(arrays), begins, (ctypes.c_ulonglong * len(arrays))(*(a.nbytes for a in arrays)), marks)
    return seen


def moved(check: Check, modules: Mapping[str, Module]) -> list[int | None]:
    """The bytes that each launch of a check's plan moves; None for a matrix product.

    Raises
    ------
    AssertionError: two threads meet at a byte, one of them storing, without a barrier between.
    """
    counts: list[int | None] = []
    with Memory() as memory:
        arrays = placed(check, memory)
        for one in check.plan.launches:
            seen: list[np.ndarray] = []
            if isinstance(one, Launch):
                different = {arrays[pointer].ctypes.data: arrays[pointer] for pointer in one.pointers}
                seen = watch(modules[one.file], list(different.values()))
            run_step(one, arrays, modules, 0)
            if isinstance(one, Launch):
                race = modules[one.file].code.first_race().decode()
                assert not race, f"{check.case}: {one.function}: {race}"
            bytes_ = sum(np.count_nonzero(s & LOADED) + np.count_nonzero(s & STORED) for s in seen)
            counts.append(bytes_ if isinstance(one, Launch) else None)
    return counts
