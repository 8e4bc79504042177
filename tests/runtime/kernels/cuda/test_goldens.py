"""Caffe's own results for every layer, from CUDA's kernels: the CUDA device on a stand-in card whose kernels run on the CPU."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

import runtime
from tests.runtime.kernels.cuda.launchers import launchers
from tests.runtime.machine.cuda.fake_cupy import Cards, install
from tests.runtime.ops.test_goldens import check, net_of, runnable


@pytest.mark.slow
@pytest.mark.parametrize("path", runnable(), ids=lambda path: path.stem)
def test_layer(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Cards(execute=partial(launchers, seed=5), seed=1))
    golden = np.load(path)
    check(golden, runtime.compile(net_of(golden), "gpu:0"))
