"""Products of a matrix and each image."""

from __future__ import annotations

from collections.abc import Iterator

from runtime.kernels.cuda.options import Target
from tests.runtime.kernels.cuda.cases.case import Case, normal, out


def inner_product_cases() -> Iterator[Case]:
    for A, K, O, N in ((1, 27, 10, 1), (1, 96, 48, 128), (3, 5, 7, 3), (2, 9, 4, 32)):
        for transpose in (False, True):
            w = (K, O) if transpose else (O, K)
            for has_bias, relu in ((False, False), (True, True), (True, False)):
                constants = {"transpose": transpose, "has_bias": has_bias, "relu": relu, "slope": 0.0}
                b = normal(O) if has_bias else normal(*w)
                yield Case("inner_product", (normal(A, K, N), normal(*w), b, out(A, O, N)), constants)
            parts = (normal(A, K, N), normal(A, O, N), out(*w))
            yield Case("inner_product_weight_gradient", parts, {"transpose": transpose}, close=1e-4)
            parts = (normal(A, O, N), normal(*w), out(A, K, N))
            yield Case("inner_product_input_gradient", parts, {"transpose": transpose})
        yield Case("bias_gradient", (normal(A, O, 1, N), out(O)))
    parts = (normal(1, 131, 12), normal(1, 33, 12), out(33, 131))
    yield Case("inner_product_weight_gradient", parts, {"transpose": False}, close=1e-5, target=Target(multiprocessors=2))
