"""Made-up numbers for nets that are timed: labels where labels are read; and the kernels that are compared."""

import numpy as np
import pytest

import netdef
import runtime
from runtime.selftest.agreement import Allowed, compare, noise, write_noise

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


def test_some_kernels_are_compared_in_a_program_that_runs_whole() -> None:
    """What is compared last has come through the others, on the reference alone."""
    text = NET.format(rows=9) + "layer far: InnerProduct(all) { num_output: 2 }"
    with runtime.compile(netdef.parse(text), seed=3) as one, runtime.compile(netdef.parse(text), seed=4) as other:
        expected = one.forward(0, **noise(one))
        made = [found.instruction for found in compare(one, other, Allowed.exact(), ("inner_product",), **noise(one))]
        assert [instruction.layer for instruction in made] == ["sum", "far"]
        for name, values in expected.items():
            np.testing.assert_array_equal(one.blob(name), values)
        found = compare(one, other, Allowed.exact(), **noise(one))
        assert {difference.instruction.kernel for difference in found} > {"inner_product"}
