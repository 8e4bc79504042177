"""Gradients masked by a ReLU and summed for a bias where they are made: which kernels it takes, and that nothing changes."""

from __future__ import annotations

import numpy as np
import pytest

import netdef
import runtime
from runtime.compiler.pipeline import compile_program
from tests.runtime.compiler.passes.texts import replaced
from tests.runtime.compiler.placement.nets import devices, difference
from tests.runtime.harness import normal

NET = """
defaults Convolution { num_output: 6 kernel_size: 3 pad: 1 weight_filler { type: "gaussian" std: 0.3 } }
layer data: Input -> data, label { shape { dim: [IMAGES, 4, 9, 7] } shape { dim: IMAGES } }
layer c1: Convolution(data)
layer r1: ReLU(c1) -> c1
layer n1: LRN(c1) { alpha: 0.5 k: 2 }
layer p1: Pooling(n1) { kernel_size: 3 stride: 2 }
layer c2: Convolution(p1)
layer r2: ReLU(c2) -> c2
layer p2: Pooling(c2) { kernel_size: 3 stride: 2 }
layer fc1: InnerProduct(p2) { num_output: 8 weight_filler { type: "gaussian" std: 0.3 } }
layer r3: ReLU(fc1) -> fc1
layer fc: InnerProduct(fc1) { num_output: 4 weight_filler { type: "gaussian" std: 0.3 } }
layer loss: SoftmaxWithLoss(fc, label)
"""
OF_LRN, OF_POOLING, OF_RELU = "lrn_backward_relu_bias", "pool_max_backward_relu_bias", "relu_backward_bias"
IMAGES = 5


def kernels(text: str, cards: bool = True, keep: str = "outputs") -> list[str]:
    net = netdef.parse(text.replace("IMAGES", str(IMAGES)), phase="train")
    return [one.kernel for one in compile_program(net, losses_only=True, keep=keep, cards=cards).backward]


def test_three_kernels_for_eight() -> None:
    made = kernels(NET)
    assert [made.count(name) for name in (OF_LRN, OF_POOLING, OF_RELU)] == [1, 1, 1]
    assert made.count("bias_gradient") == 1 and not {"relu_backward", "lrn_backward"} & set(made)  # of the last layer


def test_programs_for_a_cpu_stay_as_they_were() -> None:
    """And those whose gradients can be read."""
    for made in (kernels(NET, cards=False), kernels(NET, keep="all"), kernels(NET, keep="versions")):
        assert not any("relu_bias" in kernel or kernel == OF_RELU for kernel in made) and "lrn_backward" in made


LRN_FIRST = "layer n1: LRN(c1) { alpha: 0.5 k: 2 }\nlayer p1: Pooling(n1) { kernel_size: 3 stride: 2 }"
POOLING_FIRST = "layer n1: Pooling(c1) { kernel_size: 3 stride: 2 }\nlayer p1: LRN(n1)"
NEXT = "layer c2: Convolution(p1)"
JOINED = "layer q: Pooling(BOTTOM) { kernel_size: 3 stride: 2 pool: AVE }\nlayer s: Eltwise(p1, q)\nlayer c2: Convolution(s)"
SHARED = """layer c2: Convolution(p1) { param { name: "w" } param { name: "b" } }
layer x2: ReLU(c2) -> c2
layer c3: Convolution(c2) { param { name: "w3" } param { name: "b" } }"""
SUM = "layer e: Eltwise(fc1, fc1)\nlayer fc: InnerProduct(e)"
# What changes, and how many of each fused kernel there are then: of LRN, pooling and ReLU with a bias, of LRN and pooling without.
CASES = {
    "as it is": ({}, [1, 1, 1, 0, 0]),
    "not in place": ({"ReLU(c1) -> c1": "ReLU(c1) -> a", "LRN(c1)": "LRN(a)"}, [1, 1, 1, 0, 0]),
    "leaky": ({"ReLU(c1) -> c1": "ReLU(c1) -> c1 { negative_slope: 0.2 }"}, [1, 1, 1, 0, 0]),
    "slope below zero": ({"ReLU(c1) -> c1": "ReLU(c1) -> a { negative_slope: -0.2 }", "LRN(c1)": "LRN(a)"}, [0, 1, 1, 0, 0]),
    "no bias": ({"Convolution(data)": "Convolution(data) { bias_term: false }"}, [0, 1, 1, 1, 0]),
    "bias not learned": ({NEXT: NEXT + " { param { lr_mult: 1 } param { lr_mult: 0 } }"}, [1, 0, 1, 0, 1]),
    "wide LRN": ({"alpha: 0.5": "local_size: 11 alpha: 0.5"}, [1, 1, 1, 0, 0]),
    "LRN within channels": ({"alpha: 0.5 k: 2": "alpha: 0.5 norm_region: WITHIN_CHANNEL"}, [0, 1, 2, 0, 0]),
    "mean pooling": ({"Pooling(c2) {": "Pooling(c2) { pool: AVE"}, [1, 0, 2, 0, 0]),
    "pooling, then LRN": ({LRN_FIRST: POOLING_FIRST}, [0, 2, 1, 0, 0]),
    "ReLU before a sum": ({"layer fc: InnerProduct(fc1)": SUM}, [1, 1, 1, 0, 0]),
    "LRN's result read twice": ({NEXT: JOINED.replace("BOTTOM", "n1")}, [1, 1, 1, 0, 0]),
    "ReLU's result read twice": ({NEXT: JOINED.replace("BOTTOM", "c1")}, [0, 1, 2, 0, 0]),
    "two ReLUs": ({"layer n1": "layer r0: ReLU(c1) -> c1\nlayer n1"}, [0, 1, 2, 1, 0]),
    "bias shared": ({NEXT: SHARED, "r2: ReLU(c2) -> c2": "r2: ReLU(c3) -> c3", "Pooling(c2)": "Pooling(c3)"}, [1, 1, 2, 0, 0]),
}
COUNTED = (OF_LRN, OF_POOLING, OF_RELU, "lrn_backward_relu", "pool_max_backward_relu")


@pytest.mark.parametrize("name", CASES)
def test_results_are_those_of_kernels_apart(name: str) -> None:
    changes, counts = CASES[name]
    text = replaced(NET, changes)
    made = kernels(text)
    assert [made.count(kernel) for kernel in COUNTED] == counts
    agree(text, "cpu", IMAGES)


@pytest.mark.parametrize(("where", "batch"), [("cpu", 1), ("cpu:0,cpu:0", 4), (devices(2), 4)])
def test_any_batch_and_devices(where: str, batch: int) -> None:
    agree(NET, where, batch)


def agree(text: str, where: str, batch: int) -> None:
    """The loss and the gradients of weights, those of the CPU's kernels one after the other: bit for bit."""
    net = netdef.parse(text.replace("IMAGES", str(batch)), phase="train")
    found = []
    for cards in (True, False):
        with runtime.compile(net, where, seed=4, keep="outputs", losses_only=True, threads=2, cards=cards) as exe:
            loss = exe.forward(data=normal(batch, 4, 9, 7) + 0.5, label=np.arange(batch) % 4)["loss"]
            exe.backward()
            found.append(
                [loss, *(exe.param_grad(p.layer.name, p.index) for p in net.parameters if exe.buffers.parameter_gradient(p))]
            )
    assert all(array.any() for array in found[0])
    assert max(difference(expected, mine) for mine, expected in zip(*found, strict=True)) < 1e-6
