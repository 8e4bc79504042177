"""Caffe's own results for every layer, from CUDA's kernels: the CUDA device on a stand-in card whose kernels run on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import runtime
from runtime.compiler.pipeline import compile_program
from runtime.kernels.cuda.registry import source
from tests.runtime.kernels.cuda import zoo
from tests.runtime.kernels.cuda.on_cpu import Module, load_all
from tests.runtime.machine.cuda.fake_cupy import Cards, install
from tests.runtime.ops.test_goldens import check, net_of, runnable


@pytest.fixture(scope="module")
def kernels() -> dict[str, Module]:
    """What all goldens launch, by the text of its file."""
    needed = zoo.functions_of_programs(compile_program(net_of(np.load(path))) for path in runnable())
    return {source(file): module for file, module in load_all(needed).items()}


def execute(kernels: dict[str, Module], code: str, names: tuple[str, ...]) -> dict[str, Callable[..., None]]:
    return {name: partial(kernels[code].launch, name, seed=5) for name in names}


@pytest.mark.parametrize("path", runnable(), ids=lambda path: path.stem)
def test_layer(path: Path, kernels: dict[str, Module], monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Cards(execute=partial(execute, kernels), seed=1))
    golden = np.load(path)
    check(golden, runtime.compile(net_of(golden), "gpu:0"))
