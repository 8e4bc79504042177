"""Matrix products that do not depend on how many of their rows a device has."""

from __future__ import annotations

from functools import cache

import numpy as np

from netdef.graph.cuts import even_cuts

FEW, TRIES = 64, 8  # sums of few terms come out alike now and then, whatever their order


@cache
def product_cuts(
    rows: int, terms: int, columns: int, parts: int, transposed: bool = False, tall: bool = False
) -> tuple[slice, ...]:
    """The runs of rows that the product a (rows, terms) . b (terms, columns) is computed in.

    BLAS adds in an order that may depend on how far a row is from the first and the last one: OpenBLAS takes 12 rows at a time on
    Haswell, and what remains in another way; small products it computes in another way at all.  Then devices that have some of the
    rows each get other last bits than one that has them all, unless that one computes what each of them would by itself.  Where
    BLAS makes no difference (AVX-512), the rows are one run.

    Parameters
    ----------
    parts: how many devices' rows there are.
    transposed: b is stored (columns, terms).  tall: computed is b^T . a^T.
    """
    cuts = tuple(slice(*cut) for cut in even_cuts(rows, parts))
    if parts == 1 or not _same(terms, columns, cuts, transposed, tall):
        return cuts
    return (slice(0, rows),)


def _same(terms: int, columns: int, cuts: tuple[slice, ...], transposed: bool, tall: bool) -> bool:
    """Whether a product by runs of rows equals the whole one to the bit, in data that let any other order of adding be seen."""
    random = np.random.default_rng(1)
    for _ in range(TRIES if terms < FEW else 1):
        a, column = _cancelling(cuts[-1].stop, terms, random)
        b = np.repeat(column[None], columns, 0).T if transposed else np.repeat(column[:, None], columns, 1)
        by_runs = np.concatenate([_product(a[cut], b, tall) for cut in cuts])
        if not np.array_equal(_product(a, b, tall), by_runs):
            return False
    return True


def _cancelling(rows: int, terms: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """a (rows, terms) and a column (terms,) whose products come to 0 but for rounding: nothing covers what an order has rounded.

    BLAS may treat no more than one element in a corner differently, and among other numbers that need not show.
    """
    column = random.random(terms, np.float32) + np.float32(0.5)
    values = random.standard_normal((rows, terms), np.float32)
    values[:, terms // 2 : terms // 2 * 2] = -values[:, : terms // 2]
    return np.take(values, random.permutation(terms), axis=1) / column, column


def _product(a: np.ndarray, b: np.ndarray, tall: bool) -> np.ndarray:
    return np.matmul(b.T, a.T).T if tall else np.matmul(a, b)
