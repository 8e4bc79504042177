"""Scores that are not numbers: every loss says so, and so does its gradient."""

import numpy as np
import pytest

import netdef
import runtime

N, C = 3, 4
LABELS = np.array([0, 1, 3])
TARGETS = np.full((N, C), 0.5)
LOSSES = [  # type, settings, the other bottom
    ("SoftmaxWithLoss", "", LABELS),
    ("EuclideanLoss", "", TARGETS),
    ("SigmoidCrossEntropyLoss", "", TARGETS),
    ("HingeLoss", "", LABELS),
    ("HingeLoss", "norm: L2", LABELS),
    ("MultinomialLogisticLoss", "", LABELS),
    ("InfogainLoss", 'infogain_loss_param { source: "H.npy" }', LABELS),
    ("ContrastiveLoss", "", np.array([1, 0, 0])),
    ("ContrastiveLoss", "legacy_version: true", np.array([1, 0, 0])),
]


@pytest.mark.parametrize(("kind", "settings", "other"), LOSSES)
def test_nan_is_not_hidden(kind, settings, other, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("H.npy", np.eye(C, dtype=np.float32))
    seconds = ("other: Input { input_param { shape { dim: 3 dim: 4 } } }", "scores, other, labels")
    second, bottoms = seconds if kind == "ContrastiveLoss" else ("", "scores, labels")
    labels = " ".join(f"dim: {size}" for size in other.shape)
    net = netdef.parse(
        f"""
        layer scores: Input {{ input_param {{ shape {{ dim: {N} dim: {C} }} }} }}
        layer labels: Input {{ input_param {{ shape {{ {labels} }} }} }}
        {"layer " + second if second else ""}
        force_backward: true
        layer loss: {kind}({bottoms}) {{ {settings} }}
        """,
        phase="train",
    )
    scores = np.full((N, C), 0.5, np.float32)
    scores[1, 1] = np.nan
    given = {"scores": scores, "labels": other, **({"other": np.zeros((N, C))} if second else {})}
    with runtime.compile(net, threads=1) as executable:
        assert np.isnan(executable.forward(**given)["loss"])
        executable.backward()
        assert np.isnan(executable.blob_grad("scores")[1]).any()
