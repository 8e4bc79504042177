"""Running one CPU kernel by hand, the way the device does, and moving arrays between the users' layout and the kernels'."""

from __future__ import annotations

from typing import Any

import numpy as np

from runtime.kernels.cpu.registry import CPU_KERNELS
from runtime.machine.cpu.device import load_kernels

Shape = tuple[int, ...]


def inner(x: np.ndarray) -> np.ndarray:
    """(N, ...) of any type -> (..., N) float32, contiguous."""
    return np.ascontiguousarray(np.moveaxis(x, 0, -1), dtype=np.float32)


def outer(x: np.ndarray) -> np.ndarray:
    """(..., N) -> (N, ...) float64 (or the integers they are)."""
    y = np.moveaxis(x, -1, 0)
    return y.astype(np.float64) if y.dtype == np.float32 else y


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    """Standard normal numbers that are exact in float32, as float64."""
    return np.random.default_rng([seed, *shape]).standard_normal(shape, dtype=np.float32).astype(np.float64)


def run_kernel(
    name: str,
    inputs: list[np.ndarray],
    outputs: list[Shape | tuple[Shape, str]],
    scratch: int = 0,
    **constants: Any,
) -> list[np.ndarray]:
    """The kernel's outputs, computed at once and again in seven parts in another order, which must agree bit for bit.

    Outputs and scratch hold rubbish beforehand, so that one that is not written whole shows.
    """
    load_kernels()
    kernel = CPU_KERNELS[name]
    results = []
    for parts in (1, 7):
        made = [_rubbish(*((out, "float32") if isinstance(out[0], int) or not out else out)) for out in outputs]
        names = [n for n in kernel.parameters if n != "scratch"]
        given = [*inputs, *made, *(constants[n] for n in names[len(inputs) + len(made) :])]
        items = kernel.items(*given)
        assert items >= 1
        cuts = [items * part // parts for part in range(parts + 1)]
        for part in np.random.default_rng(parts).permutation(parts):
            private = [_rubbish((scratch,), "float32")] if kernel.wants_scratch else []
            place = kernel.parameters.index("scratch") if private else 0
            kernel.function(int(cuts[part]), int(cuts[part + 1]), *given[:place], *private, *given[place:])
        results.append(made)
    for whole, cut in zip(*results, strict=True):
        assert whole.tobytes() == cut.tobytes(), f"{name} depends on how its items are cut"
    return results[0]


def _rubbish(shape: Shape, dtype: str) -> np.ndarray:
    return np.full(shape, np.nan if dtype.startswith("float") else 99, dtype)
