"""The end of a residual block in training: which kernels it takes, and that they compute what layers apart do."""

from __future__ import annotations

import numpy as np
import pytest

import netdef
import runtime
from runtime.compiler.pipeline import compile_program
from tests.runtime.compiler.passes.texts import replaced
from tests.runtime.compiler.placement.nets import devices, difference
from tests.runtime.harness import normal

IMAGES = 5
HEAD = """
defaults Convolution { num_output: 6 kernel_size: 3 pad: 1 bias_term: false weight_filler { type: "gaussian" std: 0.2 } }
defaults Scale { bias_term: true filler { type: "uniform" min: -1.5 max: 1.5 } bias_filler { type: "gaussian" std: 1 } }
layer data: Input -> data, label { shape { dim: [IMAGES, 3, 9, 7] } shape { dim: IMAGES } }
layer first: Convolution(data)
layer a: Convolution(first)
layer na: BatchNorm(a) -> a
layer sa: Scale(a) -> a
layer b: Convolution(first)
layer nb: BatchNorm(b) -> b
layer sb: Scale(b) -> b
"""
BLOCK = """
layer e: Eltwise(a, b)
layer r: ReLU(e) -> e
"""
NEXT = """
layer c: Convolution(e)
layer nc: BatchNorm(c) -> c
layer sc: Scale(c) -> c
layer f: Eltwise(c, e)
layer rf: ReLU(f) -> f
"""
TAIL = """
layer fc: InnerProduct(f) { num_output: 4 weight_filler { type: "gaussian" std: 0.1 } }
layer loss: SoftmaxWithLoss(fc, label)
"""
NET = HEAD + BLOCK + NEXT + TAIL
ADDED, TERMS, SUMMED_TERMS = "normalize_scale_add", "normalize_scale_relu_terms", "normalize_scale_add_relu_terms"


def kernels(text: str, keep: str = "outputs", batch: int = IMAGES) -> list[str]:
    net = netdef.parse(text.replace("IMAGES", str(batch)), phase="train")
    return [one.kernel for one in compile_program(net, losses_only=True, keep=keep).instructions]


def test_one_kernel_forward_and_one_for_the_sums() -> None:
    """The gradient of e, which a convolution and a sum read, is added up where ReLU masks it."""
    made = kernels(NET)
    assert made.count(ADDED) == 2 and made.count("normalize_scale") == 1  # of two summands the other is made apart
    assert (made.count(TERMS), made.count(SUMMED_TERMS), made.count("normalize_scale_terms")) == (1, 1, 1)
    assert not {"add_relu", "relu_forward", "relu_backward"} & set(made)
    assert made.count("add") == 1  # of the gradient of `first`


# What changes, and how many sums and sums of gradients are then fused.
CASES = {
    "as it is": ({}, 2, 2),
    "shortcut first": ({"Eltwise(c, e)": "Eltwise(e, c)"}, 2, 2),
    "apart": ({"ReLU(e) -> e": "ReLU(e) -> g", "(e)\nlayer nc": "(g)\nlayer nc", "(c, e)": "(c, g)"}, 2, 2),
    "leaky": ({"ReLU(e) -> e": "ReLU(e) -> e { negative_slope: 0.2 }"}, 2, 2),
    "slope below zero": ({"ReLU(e) -> e": "ReLU(e) -> g { negative_slope: -0.2 }", "Convolution(e)": "Convolution(g)"}, 2, 1),
    "identity": ({"Eltwise(a, b)": "Eltwise(first, b)"}, 2, 2),
    "summand read by others": ({"layer e:": "layer t: TanH(b)\nlayer u: Eltwise(t, a)\nlayer e:", "(c, e)": "(c, e, u)"}, 1, 1),
    "scales shared": (
        {"Scale(a) -> a": 'Scale(a) -> a { param { name: "s" } }', "Scale(c) -> c": 'Scale(c) -> c { param { name: "s" } }'},
        2,
        2,
    ),
    "statistics frozen": ({"BatchNorm(c) -> c": "BatchNorm(c) -> c { use_global_stats: true }"}, 1, 1),
    "no gradient to the shortcut": ({"Eltwise(c, e)": "Eltwise(c, e) { propagate_down: true propagate_down: false }"}, 2, 2),
    "no gradient past the block": ({"Eltwise(a, b)": "Eltwise(a, b) { propagate_down: false propagate_down: false }"}, 1, 1),
    "scale not learned": ({"Scale(b) -> b": "Scale(b) -> b { param { lr_mult: 0 } }"}, 2, 2),
    "coefficients": ({"Eltwise(a, b)": "Eltwise(a, b) { coeff: 1 coeff: 0.5 }"}, 1, 2),
    "three summands": ({"Eltwise(a, b)": "Eltwise(a, b, first)"}, 2, 2),
    "twice the same": ({"Eltwise(c, e)": "Eltwise(c, c)"}, 1, 1),
}


@pytest.mark.parametrize("name", CASES)
def test_results_are_those_of_layers_apart(name: str) -> None:
    changes, sums, terms = CASES[name]
    text = replaced(NET, changes)
    made = kernels(text)
    assert (made.count(ADDED), made.count(TERMS) + made.count(SUMMED_TERMS)) == (sums, terms)
    agree(text, "cpu", IMAGES)


@pytest.mark.parametrize(("where", "batch"), [("cpu", 1), ("cpu:0,cpu:0", IMAGES), (devices(2), 4)])
def test_any_batch_and_devices(where: str, batch: int) -> None:
    agree(NET, where, batch)


def agree(text: str, where: str, batch: int) -> None:
    """The loss, learned gradients and running statistics after two batches that one update adds up."""
    net = netdef.parse(text.replace("IMAGES", str(batch)), phase="train")
    found = []
    for keep in ("outputs", "all"):
        with runtime.compile(net, where, seed=4, keep=keep, losses_only=True, threads=2) as exe:
            losses = []
            for number in range(2):
                exe.set_scalar("added", number)
                fed = {"data": normal(batch, 3, 9, 7, seed=number) + 1, "label": (np.arange(batch) + number) % 4}
                losses.append(exe.forward(**fed)["loss"])
                exe.backward()
            exe.update()
            learned = [exe.param_grad(p.layer.name, p.index) for p in net.parameters if exe.buffers.parameter_gradient(p)]
            statistics = [exe.param(layer, index) for layer in ("na", "nb", "nc") for index in range(3)]
            found.append([*losses, *learned, *statistics])
    assert all(array.any() for array in found[0][:2])
    assert max(difference(expected, mine) for mine, expected in zip(*found, strict=True)) < 2e-5
