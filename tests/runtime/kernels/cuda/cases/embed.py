"""Rows of a table."""

from __future__ import annotations

from collections.abc import Iterator

from tests.runtime.kernels.cuda.cases.case import Case, normal, out, whole


def embed_cases() -> Iterator[Case]:
    """A numbers of each of N images, a table of K rows of D numbers."""
    for A, D, N, K in ((1, 5, 7, 3), (3, 8, 4, 11), (1, 1, 1, 1), (1, 8, 4, 1), (2, 40, 32, 200), (5, 33, 3, 65)):
        x, w = whole(K, A, N), normal(K, D)
        yield Case("embed", (x, w, normal(D), out(A, D, N)), {"has_bias": True}, close=1e-6)
        yield Case("embed", (x, w, w, out(A, D, N)), {"has_bias": False}, close=0)
        yield Case("embed_gradient", (x, normal(A, D, N), out(K, D)), close=1e-6)
