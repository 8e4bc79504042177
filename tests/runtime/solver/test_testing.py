"""Tests of more batches than a device remembers."""

import pytest

import netdef
import runtime
from runtime.machine.executable import Executable
from runtime.solver import remember, results, testing

NET = """
layer x: DummyData -> x, label { shape { dim: [4, 6] } shape { dim: 4 } data_filler { type: "gaussian" } data_filler { value: 1 } }
layer fc: InnerProduct(x) { num_output: 3 weight_filler { type: "xavier" } }
layer loss: SoftmaxWithLoss(fc, label)
layer right: Accuracy(fc, label)
"""


def result(batches: int) -> results.TestResult | None:
    with runtime.compile(netdef.parse(NET), backward=False, seed=1, update=remember.remember_results) as exe:
        return testing.run_test(exe, batches, iteration=2)


@pytest.mark.parametrize("batches", [2, 3, 4, 8])
def test_no_batch_is_lost(batches: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = result(batches)
    for module in (remember, testing):
        monkeypatch.setattr(module, "ROUNDS", 3)
    monkeypatch.setattr(Executable, "runs_ahead", True)
    assert result(batches) == expected
    assert expected is not None
    assert set(expected.outputs) == {"loss", "right"}
