"""Made-up numbers for nets that are timed: labels where labels are read."""

import numpy as np
import pytest

import netdef
import runtime
from runtime.selftest.agreement import noise, write_noise

NET = """
layer words: Input {{ shape {{ dim: [5, 3] }} }}
layer e: Embed(words) {{ num_output: 4 input_dim: {rows} }}
layer scores: Input {{ shape {{ dim: [5, 3] }} }}
layer sum: InnerProduct(e) {{ num_output: 3 }}
layer all: Eltwise(sum, scores)
"""


@pytest.mark.parametrize("rows", [1, 9])
def test_labels_of_an_embed_are_rows(rows: int) -> None:
    with runtime.compile(netdef.parse(NET.format(rows=rows))) as exe:
        fed = noise(exe)
        assert set(np.unique(fed["words"])) == set(range(min(rows, 2)))
        assert len(np.unique(fed["scores"])) == 15
        exe.forward(**fed)
        write_noise(exe)
        np.testing.assert_array_equal(np.unique(exe.blob("words")), range(min(rows, 2)))
