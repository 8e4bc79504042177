"""That the shuffled orders see what they are for: a missing barrier, a race, a barrier that not all reach."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from math import prod

import numpy as np
import pytest

from runtime.kernels.cuda.registry import FOLDER, Launch, source
from runtime.kernels.rooms import OPS
from tests.runtime.kernels.cuda.checks import Check, folded, on_cuda, size
from tests.runtime.kernels.cuda.nvrtc import bare
from tests.runtime.kernels.cuda.on_cpu import Module, build, compile_library
from tests.runtime.kernels.cuda.running import functions_of
from tests.runtime.kernels.cuda.sanitizers import needs
from tests.runtime.kernels.cuda.tracing import moved, watch

BARRIER = "__syncthreads();"
USES = {
    "loss.cu": range(2),
    "softmax.cu": range(3),
    "image_transform.cu": range(2),
    "implicit.cu": range(1),
    "normalize.cu": range(5, 6),
}  # of the barriers in a text, those that run
ONLY = {"normalize.cu": "running_statistics"}  # whose barrier only some of its cases need, where a sum is in place and still 0
SEEDS = range(4)


def without(text: str, index: int) -> str:
    """A text less one of its barriers."""
    parts = text.split(BARRIER)
    return BARRIER.join(parts[: index + 1]) + BARRIER.join(parts[index + 1 :])


def test_every_barrier_is_tested() -> None:
    found = {file.name for file in (*FOLDER.glob("*.cuh"), *OPS.glob("*/*.cu")) if BARRIER in file.read_text()}
    assert found == {"reduce.cuh", "slices.cuh", "image_transform.cu", "product.cuh", "normalize.cu"}
    assert [source(file).count(BARRIER) for file in USES] == [2, 3, 2, 1, 6]


@pytest.mark.slow
@pytest.mark.parametrize("file,index", [(file, index) for file, indices in USES.items() for index in indices])
def test_every_barrier_is_missed(file: str, index: int, checks: list[Check], modules: dict[str, Module]) -> None:
    """A kernel without it gives other numbers in some order; and what its threads touch tells that it is missed."""
    having = [check for check in checks if needs(check) == {file} and ONLY.get(file, check.functions[0]) == check.functions[0]]
    mine = [replace(check, plan=folded(check.plan)) for check in (having if file in ONLY else one_of_each(having))]
    text, names = without(source(file), index), functions_of(check.plan for check in mine)[file]
    broken = {file: build(text, names)}
    assert any(differs(check, broken, modules, seed) for check in mine for seed in SEEDS)
    traced = {file: Module.load(compile_library(text, names, "traced"), names)}
    with pytest.raises((AssertionError, RuntimeError), match=r"without a barrier between|ended before a barrier"):
        for check in mine:
            moved(check, traced)


def one_of_each(checks: Iterable[Check]) -> list[Check]:
    """A check of each kernel, as all its forms have the same barriers: with several threads a column, and the most rows."""
    chosen: dict[tuple[str, ...], Check] = {}
    for check in checks:
        kernels = tuple(map(bare, check.functions))
        if kernels not in chosen or work(chosen[kernels]) < work(check):
            chosen[kernels] = check
    return [*chosen.values()]


def work(check: Check) -> tuple[bool, int, int]:
    """What a block of the folded plan has to do: share a column, go on to other rows, compute many numbers."""
    kernels = [launch for launch in check.plan.launches if isinstance(launch, Launch)]
    return any(kernel.block[1] > 1 for kernel in kernels), max(prod(kernel.grid[1:]) for kernel in kernels), size(check.case)


def differs(check: Check, broken: dict[str, Module], modules: dict[str, Module], seed: int) -> bool:
    try:
        pairs = zip(on_cuda(check, broken, seed), on_cuda(check, modules, seed), strict=True)
    except RuntimeError:
        return True  # its threads stand at different barriers
    return any(wrong.tobytes() != right.tobytes() for wrong, right in pairs)


def launch(text: str, seed: int) -> np.ndarray:
    """A kernel `broken(float* y)` on two blocks of 64 threads."""
    y = np.arange(128, dtype=np.float32)
    build(text, ["broken"]).launch("broken", (2, 1, 1), (64, 1, 1), [y.ctypes.data], seed)
    return y


def test_a_race_shows() -> None:
    """Each thread reads what its neighbour writes."""
    text = "__global__ void broken(float* y) { int i = blockIdx.x * 64 + threadIdx.x; if (i > 0) y[i] += y[i - 1]; }"
    assert len({launch(text, seed).tobytes() for seed in SEEDS}) > 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "body,words",
    [
        ("__shared__ float sum; if (i == 0) sum = 0; __syncthreads(); sum += y[i];", "loads what was stored by|stores over"),
        ("y[i / 2] = 1;", "stores over thread"),
        ("float x = y[(i + 1) % 64]; y[i] = x;", "stores where something was loaded by|loads what was stored by"),
        ("if (threadIdx.x == 0) y[0] += blockIdx.x;", "of block 0, without a barrier|of block 1, without a barrier"),
    ],
)
def test_threads_that_meet_are_reported(body: str, words: str) -> None:
    """Even where the result is right in any order that whole threads run in: sums that lose a part on a card."""
    text = f"__global__ void broken(float* y) {{ const int i = threadIdx.x; {body} }}"
    module = Module.load(compile_library(text, ["broken"], "traced"), ["broken"])
    y = np.zeros(64, np.float32)
    watch(module, [y])
    module.launch("broken", (2 if "blockIdx" in body else 1, 1, 1), (64, 1, 1), [y.ctypes.data])
    assert re.search(words, module.code.first_race().decode())


@pytest.mark.slow
def test_barriers_keep_threads_apart() -> None:
    body = "const int i = threadIdx.x; float x = y[(i + 1) % 64]; __syncthreads(); y[i] = x; __syncthreads(); y[63 - i] += 1;"
    module = Module.load(compile_library(f"__global__ void fine(float* y) {{ {body} }}", ["fine"], "traced"), ["fine"])
    y = np.zeros(64, np.float32)
    watch(module, [y])
    module.launch("fine", (1, 1, 1), (64, 1, 1), [y.ctypes.data])
    assert not module.code.first_race()


@pytest.mark.slow
@pytest.mark.parametrize(
    "body,words",
    [
        ("if (threadIdx.x < 60) __syncthreads();", "4 of 64 threads ended before a barrier"),
        ("if (threadIdx.x < 60) __syncthreads();\nelse __syncthreads();", "different barriers"),
        ("if (blockIdx.x == 0) __syncthreads();", "blocks differ"),
    ],
)
def test_a_barrier_that_not_all_reach(body: str, words: str) -> None:
    with pytest.raises(RuntimeError, match=words):
        launch(f"__global__ void broken(float* y) {{ {body} }}", 0)


@pytest.mark.slow
@pytest.mark.parametrize("template", ["", "template <int V> "])
def test_shared_memory_starts_as_rubbish(template: str) -> None:
    inner = f"{template}void add(float* y) {{ __shared__ float sum; sum += 1; y[blockIdx.x * 64 + threadIdx.x] = sum; }}"
    call = "add<1>(y);" if template else "add(y);"
    assert np.isnan(launch(f"{inner} __global__ void broken(float* y) {{ {call} }}", 0)).all()
