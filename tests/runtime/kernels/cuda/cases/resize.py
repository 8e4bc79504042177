"""Interpolation."""

from __future__ import annotations

from collections.abc import Iterator

from tests.runtime.kernels.cuda.cases.case import Case, normal, out


def resize_cases() -> Iterator[Case]:
    """Larger, smaller, one to many and many to one, a window inside; to the same size."""
    sizes = (
        ((3, 4, 5, 1), (7, 9), 0, (4, 5)),
        ((2, 9, 8, 3), (4, 3), 0, (9, 8)),
        ((1, 1, 1, 4), (5, 3), 0, (1, 1)),
        ((5, 6, 7, 32), (1, 1), 0, (6, 7)),
        ((2, 8, 9, 5), (9, 12), 2, (5, 6)),
        ((2, 4, 4, 8), (4, 4), 0, (4, 4)),
        ((1, 3, 60, 1), (90, 33), 0, (3, 60)),
    )
    for (C, H, W, N), (OH, OW), first, size in sizes:
        window = {"first": first, "size": size}
        yield Case("interp_forward", (normal(C, H, W, N), out(C, OH, OW, N)), window)
        yield Case("interp_backward", (normal(C, OH, OW, N), out(C, H, W, N)), window)
