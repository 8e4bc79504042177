"""The gradient of a ReLU together with that of a bias."""

from __future__ import annotations

from collections.abc import Iterator

from tests.runtime.kernels.cuda.cases.case import Case, normal, out, ties
from tests.runtime.kernels.cuda.cases.shapes import some_shapes


def masked_cases() -> Iterator[Case]:
    for C, H, W, N in (*some_shapes(7, 5), (5, 1, 1, 3), (3, 33, 1, 128)):
        shape = (1, C, H, W * N)
        arrays = (normal(*shape), ties(*shape), out(*shape), out(C))
        for aliases in ((), ((2, 0),)):
            yield Case("relu_backward_bias", arrays, {"slope": 0.1 * (C % 2)}, aliases=aliases, close=1e-4)
