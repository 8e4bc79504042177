"""What the tests of CUDA kernels share: every case with its plans, and kernels compiled for the CPU once a session."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator

import pytest

from tests.runtime.kernels.cuda import nvrtc, zoo
from tests.runtime.kernels.cuda.checks import Check, all_checks
from tests.runtime.kernels.cuda.on_cpu import Module, load_all
from tests.runtime.kernels.cuda.on_cpu import compiler as host_compiler
from tests.runtime.kernels.cuda.running import functions_of

Say = Callable[..., None]


@pytest.fixture(scope="session")
def checks() -> list[Check]:
    return all_checks()


@pytest.fixture(scope="session")
def modules(tested: dict[str, list[str]]) -> dict[str, Module]:
    """Each file's kernels, with all compile-time constants that the checks need."""
    return load_all(tested)


@pytest.fixture(scope="session")
def tested(checks: list[Check]) -> dict[str, list[str]]:
    """What all the checks run, by file."""
    return functions_of(check.plan for check in checks)


@pytest.fixture(scope="session")
def compiler(say: Say) -> None:
    """NVRTC is there."""
    if nvrtc.loaded() is None:
        say("CUDA kernels compiled to machine code: NOT RUN, nvidia-cuda-nvrtc-cu12 is not installed")
        pytest.skip("the package nvidia-cuda-nvrtc-cu12 is not installed")


@pytest.fixture(scope="session")
def every_form(compiler: None, tested: dict[str, list[str]]) -> list[nvrtc.Compiled]:
    """What the zoo needs for its own batches, and what the checks run, for one kind of card."""
    own, functions = zoo.functions(), {}
    for file, names in tested.items():
        functions[file] = sorted({*own.get(file, []), *(name for name in names if not in_packs_too(name, names))})
    return nvrtc.compile_files(functions, 80)


def in_packs_too(function: str, others: Collection[str]) -> bool:
    """Whether a function takes single numbers, and its like for packs, which takes more registers, is among the others."""
    return re.sub("<1(?=[,>])", "<4", function) in set(others) - {function}


@pytest.fixture(scope="session")
def compared(say: Say) -> Iterator[list[Check]]:
    """The checks that were held against the CPU's kernels."""
    done: list[Check] = []
    yield done
    say(f"CUDA kernels run on the CPU: {{}} runs in three orders each, {' '.join(host_compiler())}", len(done))
