"""Values that a layer cannot compute with: the message names the layer, the value and its position in the batch."""

import numpy as np
import pytest

import netdef
import runtime
from netdef.language import NetdefError
from runtime.solver.diverged import DivergedError

DATA = "layer data: Input -> x, label { shape { dim: [4, 3] } shape { dim: 4 } }\n"
READERS = {
    "loss: SoftmaxWithLoss(x, label)": "SoftmaxWithLoss loss",
    "loss: HingeLoss(x, label)": "HingeLoss loss",
    "loss: MultinomialLogisticLoss(x, label)": "MultinomialLogisticLoss loss",
    "right: Accuracy(x, label)": "Accuracy right",
}


@pytest.mark.parametrize("devices", ["cpu", "cpu:0,cpu:1"])
@pytest.mark.parametrize("label", [-1, 3, np.nan, np.inf])
@pytest.mark.parametrize("layer", READERS)
def test_a_label_that_is_no_class(layer, label, devices):
    with runtime.compile(netdef.parse(f"{DATA}layer {layer}"), devices, split="batch" if "," in devices else None) as exe:
        for at in (0, 3):
            labels = [1.0] * 4
            labels[at] = label
            with pytest.raises(NetdefError) as raised:
                exe.forward(x=np.full((4, 3), 0.3), label=labels)
            text = f"{READERS[layer]}: image {at} of the batch has label {label:g} (label[{at}]), x has scores of 3 classes"
            assert text in str(raised.value) and "labels are from 0 to 2" in str(raised.value)
            assert raised.value.diagnostics[0].position.line == 2


def test_one_of_many_labels_of_an_image():
    text = """layer data: Input -> x, label { shape { dim: [2, 3, 4, 5] } shape { dim: [2, 1, 4, 5] } }
layer loss: SoftmaxWithLoss(x, label) { ignore_label: 255 }"""
    labels = np.full((2, 1, 4, 5), 255.0)
    labels[1, 0, 2, 3] = 254
    with runtime.compile(netdef.parse(text), "cpu") as exe, pytest.raises(NetdefError) as raised:
        exe.forward(x=np.ones((2, 3, 4, 5)), label=labels)
    assert "image 1 of the batch has label 254 (label[1, 0, 2, 3])" in str(raised.value)
    assert "labels are from 0 to 2, or 255, which is ignored" in str(raised.value)


@pytest.mark.parametrize(
    ("settings", "values", "said"),
    [
        ("", [[1, 2], [3, -4]], "log: it takes the logarithm of -4 (x[1, 1])"),
        ("", [[0, 2], [3, 4]], "log: it takes the logarithm of 0 (x[0, 0])"),
        ("{ scale: 2 shift: -6 }", [[4, 5], [2, 7]], "log: it takes the logarithm of -2 (x[1, 0])"),
        ("", [[1, 2], [np.inf, 4]], "log"),
    ],
)
def test_the_logarithm_of_what_has_none(settings, values, said):
    text = f"layer data: Input -> x {{ shape {{ dim: [2, 2] }} }}\nlayer log: Log(x) {settings}\nlayer power: Power(log)"
    with runtime.compile(netdef.parse(text), "cpu", backward=False) as exe:
        exe.forward(x=values)
        assert exe.first_non_finite().endswith(f" of layer {said}")


def test_training_names_the_logarithm():
    text = """layer data: Input -> x, t { shape { dim: [2, 2] } shape { dim: [2, 2] } }
layer log: Log(x)
layer fc: InnerProduct(log) { num_output: 2 weight_filler { type: "xavier" } }
layer loss: EuclideanLoss(fc, t)"""
    solver = 'base_lr: 0.1 lr_policy: "fixed" max_iter: 9'
    with (
        runtime.Solver(solver, netdef.parse(text, phase="train"), "cpu") as run,
        pytest.raises(
            DivergedError, match=r"not finite is of cpu:0, log_forward of layer log: it takes the logarithm of -1 \(x\[0, 1\]\)"
        ),
    ):
        run.step(x=[[1, -1], [1, 1]], t=np.zeros((2, 2)))
