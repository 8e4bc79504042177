"""Copies between regions of blobs."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from runtime.ops.gather.box import box, strides_of
from tests.runtime.kernels.cuda.cases.case import Case, normal, out, whole


def copying_cases() -> Iterator[Case]:
    for rows, part, columns, offset in ((1, 5, 9, 2), (3, 4, 12, 8), (48, 32, 96, 32), (7, 128, 131, 3), (70000, 1, 2, 1)):
        joined = Case("join_columns", (normal(rows, part), normal(rows, columns)), {"offset": offset}, close=0)
        yield joined
        yield Case("take_columns", (normal(rows, columns), out(rows, part)), {"offset": offset}, close=0)
    cuts = ((6, 4), (3, 8)), ((3, 8), (6, 4)), ((1, 12), (12, 1)), ((96, 3), (32, 9)), ((5, 128), (20, 32)), ((160, 4), (5, 128))
    for old, new in cuts:
        yield Case("rebatch", (normal(*old), out(*new)), close=0)


def box_cases() -> Iterator[Case]:
    """Crops, tiles and exchanged axes, in packs and between them; images picked twice and not at all."""
    cuts = ((3, 7, 5, 32), (2, 4, 3, 32), 164), ((2, 5, 6, 3), (2, 2, 3, 3), 22), ((4, 9), (3, 4), 10), ((8,), (8,), 0)
    for shape, cut, first in cuts:
        some = box(cut, strides_of(shape), strides_of(cut), first)
        yield Case("copy_box", (normal(prod(shape)), out(prod(cut))), {"box": some}, close=0)
        yield Case("copy_box", (normal(prod(cut)), normal(prod(shape))), {"box": some.reversed}, close=0)
    a, b, c, n = 3, 4, 5, 8
    exchanged = box((c, a, b, n), (n, b * c * n, c * n, 1), strides_of((c, a, b, n)))
    yield Case("copy_box", (normal(a * b * c * n), out(a * b * c * n)), {"box": exchanged}, close=0)
    for rows, tiles, columns in ((3, 4, 8), (1, 2, 7), (48, 3, 32), (5, 1, 3)):
        spread = box((rows, tiles, columns), (columns, 0, 1), strides_of((rows, tiles, columns)))
        yield Case("copy_box", (normal(rows * columns), out(rows * tiles * columns)), {"box": spread}, close=0)
        yield Case("sum_tiles", (normal(rows, tiles, columns), out(rows, columns)), close=1e-6)
    for rows, images, count in ((7, 5, 8), (96, 32, 3), (1, 4, 128), (3, 1, 1)):
        order = whole(images, count)
        yield Case("take_images", (normal(rows, images), order, out(rows, count)), close=0)
        yield Case("add_images", (normal(rows, count), order, out(rows, images)), close=1e-5)
