"""The matrix of an InfogainLoss: found as other files of a net are, and refused where it holds what is no number."""

from pathlib import Path

import numpy as np
import pytest

import netdef
import runtime
from netdef import NetdefError

NET = """
layer scores: Input { input_param { shape { dim: 2 dim: 3 } } }
layer labels: Input { input_param { shape { dim: 2 } } }
layer loss: InfogainLoss(scores, labels) { infogain_loss_param { source: "H.npy" } }
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("nets").mkdir()
    Path("nets/h.net").write_text(NET)
    return Path("nets")


def test_its_file_may_lie_beside_the_net(folder):
    np.save(folder / "H.npy", np.eye(3, dtype=np.float32))
    with runtime.compile(netdef.load("nets/h.net"), threads=1) as executable:
        assert executable.forward(scores=np.zeros((2, 3)), labels=[0, 1])["loss"] == pytest.approx(np.log(3))


def test_a_missing_file_is_named(folder):
    with pytest.raises(NetdefError, match=r"nets/h.net:4:\d+: error: InfogainLoss loss: there is no H.npy"):
        runtime.compile(netdef.load("nets/h.net"), threads=1)


def test_numbers_that_are_not_finite_are_refused(folder):
    matrix = np.eye(3, dtype=np.float32)
    matrix[0, 1] = np.nan
    np.save(folder / "H.npy", matrix)
    with pytest.raises(NetdefError, match=r"H.npy holds numbers that are not finite"):
        runtime.compile(netdef.load("nets/h.net"), threads=1)
