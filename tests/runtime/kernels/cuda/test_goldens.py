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
from tests.runtime.kernels.cuda.on_cpu import Module, compile_all
from tests.runtime.machine.cuda.fake_cupy import Cards, install
from tests.runtime.ops.test_goldens import check, net_of, runnable


@pytest.fixture(scope="module")
def kernels(libraries: Path) -> dict[str, Module]:
    """What all goldens launch, by the text of its file."""
    needed: dict[str, set[str]] = {}
    for path in runnable():
        for launch in zoo.launches(compile_program(net_of(np.load(path)))):
            needed.setdefault(launch.file, set()).add(launch.function)
    sources = {file: (source(file), sorted(names)) for file, names in needed.items()}
    return {source(file): Module.load(path, sources[file][1]) for file, path in compile_all(sources, libraries).items()}


def execute(kernels: dict[str, Module], code: str, names: tuple[str, ...]) -> dict[str, Callable[..., None]]:
    return {name: partial(kernels[code].launch, name, seed=5) for name in names}


@pytest.mark.parametrize("path", runnable(), ids=lambda path: path.stem)
def test_layer(path: Path, kernels: dict[str, Module], monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Cards(execute=partial(execute, kernels), seed=1))
    golden = np.load(path)
    check(golden, runtime.compile(net_of(golden), "gpu:0"))
