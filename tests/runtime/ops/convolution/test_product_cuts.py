"""Runs of a product's rows that give the bits of the devices that have some of them each."""

import numpy as np
import pytest

from runtime.ops.convolution.product_cuts import product_cuts


@pytest.mark.parametrize("tall", [False, True])
@pytest.mark.parametrize(
    ("rows", "terms", "columns"),
    [
        (256, 300, 512), (96, 363, 512), (20, 25, 64), (7, 40, 33), (1000, 64, 16),
        (137, 4, 3), (89, 4, 99), (115, 4, 33), (180, 137, 33), (58, 50, 3), (163, 27, 3),  # where few elements may differ
    ],
)
def test_cuts_of_a_product_are_those_that_keep_its_bits(rows: int, terms: int, columns: int, tall: bool) -> None:
    random = np.random.default_rng(2)
    a, b = random.standard_normal((rows, terms), np.float32), random.standard_normal((columns, terms), np.float32).T

    def product(part: slice) -> np.ndarray:
        return np.matmul(b.T, a[part].T).T if tall else np.matmul(a[part], b)

    def by(parts: int) -> np.ndarray:
        cuts = product_cuts(rows, terms, columns, parts, transposed=True, tall=tall)
        assert [cuts[0].start, cuts[-1].stop] == [0, rows]
        return np.concatenate([product(cut) for cut in cuts])

    half = -(-rows // 2)
    assert np.array_equal(by(2), np.concatenate([product(slice(half)), product(slice(half, rows))]))
    assert np.array_equal(by(1), product(slice(None)))
