"""No kernel reads or writes beside its arrays, or does what C++ leaves undefined; a broken one is caught."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.kernels.cuda.registry import source
from tests.marks import of_release
from tests.runtime.kernels.cuda.checks import Check, of_few_forms, on_cuda
from tests.runtime.kernels.cuda.conftest import Say
from tests.runtime.kernels.cuda.nvrtc import bare
from tests.runtime.kernels.cuda.on_cpu import Module, compile_all, compile_library, compiler
from tests.runtime.kernels.cuda.running import functions_of
from tests.runtime.kernels.cuda.sanitizers import SEED, digest, needs, run_sanitized, runtime_library


@pytest.fixture(scope="module")
def some(checks: list[Check]) -> list[Check]:
    """Every kernel with single numbers and in packs, at any address; all forms run in test_against_cpu."""
    return of_few_forms(checks)


@pytest.fixture
def sanitized(say: Say) -> None:
    if runtime_library() is None:
        reason = f"{' '.join(compiler())} comes without AddressSanitizer"
        say(f"CUDA kernels under sanitizers: NOT RUN, {reason}")
        pytest.skip(reason)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sanitized", *of_release(["checked"])])
def test_all_kernels(
    kind: str,
    sanitized: None,
    some: list[Check],
    tested: dict[str, list[str]],
    modules: dict[str, Module],
    tmp_path: Path,
    say: Say,
) -> None:
    mine = functions_of(check.plan for check in some)
    assert {bare(name) for names in mine.values() for name in names} == {bare(name) for names in tested.values() for name in names}
    digests, words = run_sanitized(compile_all(mine, kind), tmp_path)
    assert not words, words[-4000:]
    assert len(digests) == len(some)
    for index, check in enumerate(some):
        assert digests[index] == digest(on_cuda(check, modules, SEED)), f"{check.case}: other numbers under sanitizers"
    say(f"CUDA kernels under address and undefined-behaviour sanitizers: {len(some)} runs, {' '.join(compiler())}")


BROKEN = [  # file, what is taken out, what is put in its place, what must be said
    ("concat.cu", "if (pack >= packs) return;", "", "AddressSanitizer: heap-buffer-overflow"),
    ("image_transform.cu", "if (n >= N || x", "if (x", "AddressSanitizer: heap-buffer-overflow"),
    ("image_transform.cu", "[TILE + 1];", "[TILE - 1];", "out of bounds for type"),
    ("dropout.cu", "(from)[pack]", "(from - (pack > 0))[pack]", "misaligned address"),
]


@pytest.mark.slow
@pytest.mark.parametrize("file,right,wrong,words", BROKEN, ids=lambda text: text if text.endswith(".cu") else "")
def test_a_broken_kernel_is_caught(
    sanitized: None, file: str, right: str, wrong: str, words: str, some: list[Check], tmp_path: Path
) -> None:
    text = source(file)
    assert right in text
    names = functions_of(check.plan for check in some if needs(check) == {file})[file]
    library = compile_library(text.replace(right, wrong), names, "sanitized")
    assert words in run_sanitized({file: (library, names)}, tmp_path)[1]
