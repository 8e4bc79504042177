"""CUDA's lrn_backward adds up by blocks of channels as a net does that is cut over as many cards, to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from tests.runtime.kernels.cuda.cases import Case, Spec, out
from tests.runtime.kernels.cuda.checks import on_cuda, planned
from tests.runtime.kernels.cuda.on_cpu import Module
from tests.runtime.shares import can_be_cut, gradient_of_shares

WINDOWS = {3: 0.5, 5: 0.75, 7: 0.75, 9: 0.75, 13: 0.75}  # and the beta that cases.py has them compiled with


@pytest.mark.parametrize("size", WINDOWS)
@pytest.mark.parametrize("shift", [0, 1])
def test_blocks_give_what_shares_give(size: int, shift: int, modules: dict[str, Module]) -> None:
    random, done = np.random.default_rng(size), 0
    while done < 6:
        group, blocks, C = (int(random.choice(several)) for several in ((1, 2), (2, 3, 4), (12, 20, 26, 48)))
        if not can_be_cut(C, size, group, blocks):
            continue
        done += 1
        x, dy = random.standard_normal((2, C, 12), np.float32)

        def backward(x: np.ndarray, dy: np.ndarray, group: int, blocks: int = 1) -> np.ndarray:
            specs = (Spec(x.shape, lambda random, shape: x), Spec(x.shape, lambda random, shape: dy), out(*x.shape))
            constants = {"size": size, "alpha": 2.0, "beta": WINDOWS[size], "k": 1.0, "group": group, "blocks": blocks}
            return on_cuda(planned(Case("lrn_backward", specs, constants), shift), modules, 1)[2]

        np.testing.assert_array_equal(backward(x, dy, group, blocks), gradient_of_shares(backward, x, dy, size, group, blocks))
