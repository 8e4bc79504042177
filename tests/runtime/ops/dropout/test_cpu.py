"""Philox against its authors' known answers, and dropout masks as a function of seed, layer, iteration and element."""

import numpy as np
import pytest

from runtime.kernels.cpu.jit import BLOCK
from runtime.kernels.cpu.philox import DROPOUT_STREAM, philox
from tests.runtime import reference
from tests.runtime.harness import run_kernel

# Random123's kat_vectors, philox4x32 10: counter, key, result
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def words(text: str) -> list[np.uint64]:
    return [np.uint64(int(word, 16)) for word in text.split()]


@pytest.mark.parametrize("counter,key,result", KNOWN)
def test_known_answers(counter: str, key: str, result: str) -> None:
    assert list(philox(*words(counter), *words(key))) == words(result)
    assert list(reference.philox(np.array(words(counter)), np.array(words(key)))) == words(result)


@pytest.mark.parametrize("size", [1, 3, 4, 6, 4099, 2 * BLOCK + 2])
@pytest.mark.parametrize("ratio", [0.5, 0.1])
def test_mask(size: int, ratio: float) -> None:
    x = np.arange(1, size + 1, dtype=np.float32)
    key, iteration = (0xDEADBEEF, 0xFFFFFFFF), np.array([70_000], np.int64)
    constants = {"key": key, "threshold": int(np.ceil(ratio * 2**24)), "factor": 1 / (1 - ratio)}
    (y,) = run_kernel("dropout", [x, iteration], [(size,)], **constants)
    kept = reference.uniform(size, key, 70_000, DROPOUT_STREAM) >= ratio
    np.testing.assert_allclose(y, np.where(kept, x / (1 - ratio), 0), rtol=1e-6)


def test_masks_differ_by_iteration_and_layer() -> None:
    x = np.ones(1000, np.float32)
    masks = [
        run_kernel("dropout", [x, np.array([turn], np.int64)], [(1000,)], key=key, threshold=1 << 23, factor=2.0)[0]
        for turn, key in [(0, (1, 2)), (1, (1, 2)), (0, (1, 3)), (0, (2, 2))]
    ]
    for index, mask in enumerate(masks):
        assert 400 < np.count_nonzero(mask) < 600
        assert all((mask != other).sum() > 400 for other in masks[:index])
