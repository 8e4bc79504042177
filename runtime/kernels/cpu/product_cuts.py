"""Matrix products that do not depend on how many of their rows a device has."""

from __future__ import annotations

from functools import cache

import numpy as np

from netdef.layers.cuts import even_cuts


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
    """Whether a product by runs of rows equals the whole one to the bit."""
    random = np.random.default_rng(1)
    a = random.random((cuts[-1].stop, terms), np.float32)
    b = random.random((columns, terms), np.float32).T if transposed else random.random((terms, columns), np.float32)

    def product(rows: slice) -> np.ndarray:
        return np.matmul(b.T, a[rows].T).T if tall else np.matmul(a[rows], b)

    return np.array_equal(product(slice(None)), np.concatenate([product(cut) for cut in cuts]))
