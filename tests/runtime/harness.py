"""Running an instruction by the CPU's plan, as the device does, and moving arrays between the users' layout and the kernels'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from runtime.kernels.cpu.registry import Launch, plan
from runtime.kernels.operand import Operand, Workspace

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


def run_kernel(name: str, inputs: list[np.ndarray], outputs: list[Shape | tuple[Shape, str]], **constants: Any) -> list[np.ndarray]:
    """An instruction's outputs by the CPU's plan, computed at once and in seven parts in another order: equal bit for bit.

    Outputs, scratch and workspace hold rubbish beforehand, so that one that is not written whole shows.
    """
    results = []
    for parts in (1, 7):
        made = [_rubbish(*((out, "float32") if isinstance(out[0], int) or not out else out)) for out in outputs]
        run_plan(name, [*inputs, *made], constants, parts)
        results.append(made)
    for whole, cut in zip(*results, strict=True):
        assert whole.tobytes() == cut.tobytes(), f"{name} depends on how its items are cut"
    return results[0]


def run_plan(name: str, arrays: Sequence[np.ndarray], constants: Mapping[str, Any], parts: int = 1, workers: int = 1) -> None:
    """Carry out an instruction on these arrays, inputs and outputs, by the CPU's plan, each launch in parts in a random order."""
    planned = plan(name, [Operand(array.shape, str(array.dtype)) for array in arrays], constants, workers)
    workspace = _rubbish((planned.workspace // 4,), "float32")
    for launch in planned.launches:
        run_launch(launch, [_array(operand, arrays, workspace) for operand in launch.arrays], parts)


def run_launch(launch: Launch, arrays: Sequence[np.ndarray], parts: int = 1) -> None:
    """A launch on these arrays, in parts in a random order."""
    assert launch.items >= 1 or not all(array.size for array in arrays)
    cuts = [launch.items * part // parts for part in range(parts + 1)]
    for part in np.random.default_rng(parts).permutation(parts):
        private = [_rubbish((launch.scratch,), "float32")] if launch.kernel.scratch else []
        launch.kernel.function(int(cuts[part]), int(cuts[part + 1]), *arrays, *private, *launch.constants.values())


def _array(operand: Operand, arrays: Sequence[np.ndarray], workspace: np.ndarray) -> np.ndarray:
    if isinstance(operand.pointer, Workspace):
        return workspace[operand.pointer.offset // 4 :][: operand.size].reshape(operand.shape)
    return arrays[operand.pointer].reshape(operand.shape)  # type: ignore[call-overload]


def _rubbish(shape: Shape, dtype: str) -> np.ndarray:
    return np.full(shape, np.nan if dtype.startswith("float") else 99, dtype)
