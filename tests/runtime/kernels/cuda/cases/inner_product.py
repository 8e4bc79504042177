"""Products of a matrix and each image."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from runtime.kernels.cuda.options import Target
from tests.runtime.kernels.cuda.cases.case import Case, Spec, normal, out


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
    yield from in_tiles()


def in_tiles() -> Iterator[Case]:
    """In tiles: edges, weights that are no whole packs, several products, sums in splits."""
    yield from directions((1, 99, 33, 68), normal, Target(1 << 20, 2))
    yield from directions((2, 36, 40, 132), normal, Target(1 << 20, 2))
    yield from directions((1, 1060, 50, 64), normal, Target(1 << 20, 4))


def directions(extents: tuple[int, int, int, int], made: Callable[..., Spec], target: Target) -> Iterator[Case]:
    """A product's three, and both ways in which weights are stored; extents: A, K, O, N."""
    A, K, O, N = extents
    epilogue = {"has_bias": True, "relu": True, "slope": 0.1}
    for transpose in (False, True):
        w, stored = (K, O) if transpose else (O, K), {"transpose": transpose}
        arrays = made(A, K, N), made(*w), made(O), out(A, O, N)
        yield Case("inner_product", arrays, {**stored, **epilogue}, close=1e-4, target=target)
        yield Case("inner_product_input_gradient", (made(A, O, N), made(*w), out(A, K, N)), stored, close=1e-4, target=target)
        if A == 1:
            parts = made(A, K, N), made(A, O, N), out(*w)
            yield Case("inner_product_weight_gradient", parts, stored, close=1e-4, target=target)
