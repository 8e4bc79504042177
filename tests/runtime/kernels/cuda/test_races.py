"""That the shuffled orders see what they are for: a missing barrier, a race, a barrier that not all reach."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from runtime.kernels.cuda.registry import FOLDER, source
from tests.runtime.kernels.cuda.checks import Check, folded, on_cuda
from tests.runtime.kernels.cuda.on_cpu import Module, build
from tests.runtime.kernels.cuda.running import functions_of
from tests.runtime.kernels.cuda.sanitizers import needs

BARRIER = "__syncthreads();"
USES = {"loss.cu": range(2), "softmax.cu": range(2, 4), "image_transform.cu": range(2)}  # of the barriers in a text, those that run
SEEDS = range(4)


def without(text: str, index: int) -> str:
    """A text less one of its barriers."""
    parts = text.split(BARRIER)
    return BARRIER.join(parts[: index + 1]) + BARRIER.join(parts[index + 1 :])


def test_every_barrier_is_tested() -> None:
    found = {file.name for file in FOLDER.glob("*.cu*") if BARRIER in file.read_text()}
    assert found == {"reduce.cuh", "image_transform.cu"}
    assert [source(file).count(BARRIER) for file in USES] == [4, 4, 2]


@pytest.mark.parametrize("file,index", [(file, index) for file, indices in USES.items() for index in indices])
def test_every_barrier_is_missed(file: str, index: int, checks: list[Check], modules: dict[str, Module], libraries: Path) -> None:
    """A kernel without it gives other numbers in some order."""
    mine = [replace(check, plan=folded(check.plan)) for check in checks if needs(check) == {file}]
    broken = {file: build(without(source(file), index), sorted(functions_of(check.plan for check in mine)[file]), libraries)}
    assert any(differs(check, broken, modules, seed) for check in mine for seed in SEEDS)


def differs(check: Check, broken: dict[str, Module], modules: dict[str, Module], seed: int) -> bool:
    try:
        pairs = zip(on_cuda(check, broken, seed), on_cuda(check, modules, seed), strict=True)
    except RuntimeError:
        return True  # its threads stand at different barriers
    return any(wrong.tobytes() != right.tobytes() for wrong, right in pairs)


def launch(text: str, libraries: Path, seed: int) -> np.ndarray:
    """A kernel `broken(float* y)` on two blocks of 64 threads."""
    y = np.arange(128, dtype=np.float32)
    build(text, ["broken"], libraries).launch("broken", (2, 1, 1), (64, 1, 1), [y.ctypes.data], seed)
    return y


def test_a_race_shows(libraries: Path) -> None:
    """Each thread reads what its neighbour writes."""
    text = "__global__ void broken(float* y) { int i = blockIdx.x * 64 + threadIdx.x; if (i > 0) y[i] += y[i - 1]; }"
    assert len({launch(text, libraries, seed).tobytes() for seed in SEEDS}) > 1


@pytest.mark.parametrize(
    "body,words",
    [
        ("if (threadIdx.x < 60) __syncthreads();", "4 of 64 threads ended before a barrier"),
        ("if (threadIdx.x < 60) __syncthreads();\nelse __syncthreads();", "different barriers"),
        ("if (blockIdx.x == 0) __syncthreads();", "blocks differ"),
    ],
)
def test_a_barrier_that_not_all_reach(body: str, words: str, libraries: Path) -> None:
    with pytest.raises(RuntimeError, match=words):
        launch(f"__global__ void broken(float* y) {{ {body} }}", libraries, 0)


def test_shared_memory_starts_as_rubbish(libraries: Path) -> None:
    text = "__global__ void broken(float* y) { __shared__ float sum; sum += 1; y[threadIdx.x] = sum; }"
    assert np.isnan(launch(text, libraries, 0)[:64]).all()
