"""Which BatchNorm and Scale become one kernel in training, and that they compute what they do apart."""

from __future__ import annotations

import numpy as np
import pytest

import netdef
import runtime
from runtime.compiler.pipeline import compile_program
from tests.runtime.compiler.placement.nets import devices, difference
from tests.runtime.harness import normal

NET = """
layer data: Input -> data, label { shape { dim: [5, 3, 9, 8] } shape { dim: 5 } }
layer c: Convolution(data) { num_output: 6 kernel_size: 3 bias_term: false weight_filler { type: "xavier" } }
layer n: BatchNorm(c) -> c
layer s: Scale(c) -> c { bias_term: true filler { type: "uniform" min: -1.5 max: 1.5 } bias_filler { type: "gaussian" std: 1 } }
layer r: ReLU(c) -> c { negative_slope: 0.1 }
layer f: InnerProduct(c) { num_output: 4 weight_filler { type: "xavier" } }
layer loss: SoftmaxWithLoss(f, label)
"""
FUSED = ["conv2d", "channel_moments", "batch_statistics", "running_statistics", "normalize_scale", "inner_product"]


def program(text: str = NET, **options: str) -> runtime.Program:
    return compile_program(netdef.parse(text, phase="train"), losses_only=True, **{"keep": "activations", **options})


def kernels(text: str = NET, **options: str) -> list[str]:
    return [one.kernel for one in program(text, **options).instructions]


def test_one_kernel_forward_and_two_backward() -> None:
    made = program()
    assert [one.kernel for one in made.forward][: len(FUSED)] == FUSED
    assert next(one for one in made.forward if one.kernel == "normalize_scale").constants == {
        "relu": True,
        "slope": np.float32(0.1),
    }
    behind = [one.kernel for one in made.backward if one.layer in "nsr"]
    assert behind == ["normalize_scale_relu_terms", "sums_of_terms", "normalize_scale_backward"]


@pytest.mark.parametrize(
    "changes",
    [
        {"BatchNorm(c) -> c": "BatchNorm(c)", "Scale(c) -> c": "Scale(n)", "ReLU(c) -> c": "ReLU(s)", "(c) { num": "(r) { num"},
        {"bias_term: true filler": "filler", 'bias_filler { type: "gaussian" std: 1 }': ""},
        {"bias_term: true": "bias_term: true axis: 2"},
        {"bias_term: true": "bias_term: true param { lr_mult: 0 }"},
        {"BatchNorm(c) -> c": "BatchNorm(c) -> c { use_global_stats: true }"},
    ],
)
def test_what_stays(changes: dict[str, str]) -> None:
    text = NET
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    assert not any(kernel.startswith("normalize_scale") for kernel in kernels(text))


def test_gradients_that_can_be_read_are_made() -> None:
    assert not any(kernel.startswith("normalize_scale") for kernel in kernels(keep="all"))


@pytest.mark.parametrize("where", ["cpu", devices(2)])
def test_results_are_those_of_layers_apart(where: str) -> None:
    net, fed = netdef.parse(NET, phase="train"), {"data": normal(5, 3, 9, 8) + 3, "label": np.arange(5) % 4}
    found = []
    for keep in ("activations", "all"):
        with runtime.compile(net, where, seed=4, keep=keep, losses_only=True) as exe:
            loss = exe.forward(**fed)["loss"]
            exe.backward()
            exe.update()
            learned = [exe.param_grad(p.layer.name, p.index) for p in net.parameters if p.lr_mult]
            found.append([loss, exe.blob("c"), *learned, *(exe.param("n", index) for index in range(3))])
    assert all(array.any() for array in found[0])
    assert max(difference(expected, mine) for mine, expected in zip(*found, strict=True)) < 1e-5
