"""Every kernel compiles to machine code for every kind of card, in every form that the zoo needs, within its registers."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from runtime.kernels.cuda.registry import FOLDER, source
from tests.runtime.kernels.cuda import nvrtc, zoo
from tests.runtime.kernels.cuda.checks import Check
from tests.runtime.kernels.cuda.conftest import Say
from tests.runtime.kernels.cuda.running import functions_of

ARCHITECTURES = (70, 75, 80, 86, 90, 100, 120)
OLDEST_TOOLKIT = {70: "CUDA 13 makes no code for sm_70"}  # architectures that a toolkit may have dropped
REGISTERS = 65536  # of a multiprocessor, shared by the threads of its blocks
THREADS = 512  # of the largest blocks, and what a multiprocessor should hold to be kept busy


@pytest.fixture(scope="module")
def tested(checks: list[Check]) -> dict[str, list[str]]:
    """What all the checks run, by file."""
    return {file: sorted(names) for file, names in functions_of(check.plan for check in checks).items()}


@pytest.fixture(scope="module")
def needed(tested: dict[str, list[str]]) -> dict[str, list[str]]:
    """What the zoo's networks need, and one form of each kernel that none of them has."""
    functions = zoo.functions()
    assert set(functions) <= set(tested) == {path.name for path in FOLDER.glob("*.cu")}
    for file, names in tested.items():
        mine = functions.setdefault(file, [])
        other = {bare(name): name for name in names if bare(name) not in map(bare, mine)}
        mine += other.values()
    return functions


def bare(function: str) -> str:
    return function.split("<")[0]


def compiled(functions: dict[str, list[str]], architecture: int) -> list[nvrtc.Compiled]:
    """As many files at once as there are cores."""
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        made = [pool.submit(nvrtc.compile_functions, source(file), names, architecture) for file, names in functions.items()]
        return [function for result in made for function in result.result()[0].values()]


def check_resources(function: nvrtc.Compiled) -> None:
    assert function.spills == 0 and function.stack == 0, function
    assert function.registers * THREADS <= REGISTERS, function


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_machine_code(architecture: int, needed: dict[str, list[str]], say: Say) -> None:
    if nvrtc.library() is None:
        say(f"CUDA kernels compiled for sm_{architecture}: NOT RUN, nvidia-cuda-nvrtc-cu12 is not installed")
        pytest.skip("the package nvidia-cuda-nvrtc-cu12 is not installed")
    if architecture not in nvrtc.architectures() and architecture in OLDEST_TOOLKIT:
        say(f"CUDA kernels compiled for sm_{architecture}: NOT RUN, {OLDEST_TOOLKIT[architecture]}")
        pytest.skip(OLDEST_TOOLKIT[architecture])
    made = compiled(needed, architecture)
    for function in made:
        check_resources(function)
    most = max(function.registers for function in made)
    say(f"CUDA kernels compiled for sm_{architecture}: {len(made)}, no spills, at most {most} registers")


def test_every_form(tested: dict[str, list[str]]) -> None:
    """Windows and constants beyond the zoo's, and the zoo's for a batch that is no whole packs; for one kind of card."""
    if nvrtc.library() is None:
        pytest.skip("the package nvidia-cuda-nvrtc-cu12 is not installed")
    single = zoo.functions(batch=1)
    for function in compiled({file: sorted({*names, *single.get(file, [])}) for file, names in tested.items()}, 80):
        check_resources(function)


def test_whole_packs_are_loaded_at_once() -> None:
    """A kernel that takes four numbers a thread loads and stores them 16 bytes wide, and never singly but for what is left over."""
    if nvrtc.library() is None:
        pytest.skip("the package nvidia-cuda-nvrtc-cu12 is not installed")
    pool, norm = "pool_max_forward<4, unsigned char, 3, 3, 2, 2, 0, 0>", "lrn_backward<4, 5, true>"
    convolve = "im2col<4, 3, 3, 1, 1, 1, 1, 1, 1>"
    for file, function in (("pooling.cu", pool), ("lrn.cu", norm), ("convolution.cu", convolve)):
        text = nvrtc.compile_functions(source(file), [function], 80)[1].decode()
        memory = [line for line in text.splitlines() if "ld.global" in line or "st.global" in line]
        assert memory and all(".v4." in line for line in memory), memory


def test_a_spill_is_seen() -> None:
    """A kernel that needs more registers than its bound leaves it."""
    if nvrtc.library() is None:
        pytest.skip("the package nvidia-cuda-nvrtc-cu12 is not installed")
    bounded = source("lrn.cu").replace("__global__ void lrn_backward(", "__global__ void __launch_bounds__(1024, 2) lrn_backward(")
    function = "lrn_backward<4, 9, true>"
    assert nvrtc.compile_functions(bounded, [function], 80)[0][function].spills > 0
