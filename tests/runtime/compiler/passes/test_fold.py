"""Folding: what becomes part of weights, what does not, and that results are the same after any change of parameters."""

from __future__ import annotations

import numpy as np
import pytest

import netdef
import runtime
from runtime.compiler.pipeline import compile_program
from tests.runtime.compiler.placement.nets import devices
from tests.runtime.harness import normal

HEAD = "layer data: Input { shape { dim: 3 dim: 4 dim: 9 dim: 8 } }\n"
CONV = "layer c: Convolution(data) { num_output: 6 kernel_size: 3 group: 2 %s }\n"
FC = "layer c: InnerProduct(data) { num_output: 6 %s }\n"
NORM = "layer n: BatchNorm(c) -> c { eps: 1e-3 }\nlayer s: Scale(c) -> c { bias_term: true }\n"
RELU = "layer r: ReLU(c) -> c\n"
FOLDED = [  # what folds, and the product's kernel with what it does
    (CONV % "" + NORM + RELU, "conv2d"),
    (CONV % "bias_term: false" + NORM + RELU, "conv2d"),
    (CONV % "" + "layer n: BatchNorm(c) -> c\nlayer s: Scale(c) -> c\nlayer b: Bias(c) -> c\n" + RELU, "conv2d"),
    (CONV % "bias_term: false" + "layer b: Bias(c) -> c\n" + RELU, "conv2d"),
    (FC % "" + NORM + RELU, "inner_product"),
    (FC % "transpose: true bias_term: false" + NORM + RELU, "inner_product"),
]


def filled(exe: runtime.Executable, seed: int = 0) -> None:
    """Parameters that no two layers have alike, and variances above 0."""
    for number, parameter in enumerate(exe.net.parameters):
        values = normal(*parameter.shape, seed=seed + number)
        exe.set_param(
            parameter.layer.name, parameter.index, np.abs(values) + 0.5 if parameter.layer.type == "BatchNorm" else values
        )


def kernels(text: str, keep: str | None = None, fold: bool = True) -> list[str]:
    program = compile_program(netdef.parse(HEAD + text), backward=False, keep=keep, fold=fold)
    return [
        instruction.kernel for instruction in program.forward if not instruction.once and instruction.kernel != "global_statistics"
    ]


@pytest.mark.parametrize(("text", "kernel"), FOLDED)
@pytest.mark.parametrize("where", ["cpu", devices(2)])
def test_results_are_those_of_layers_apart(text: str, kernel: str, where: str) -> None:
    assert kernels(text) == [kernel]
    assert len(kernels(text, fold=False)) > 1
    net, x = netdef.parse(HEAD + text), normal(3, 4, 9, 8)
    with runtime.compile(net, where, backward=False) as exe, runtime.compile(net, where, backward=False, fold=False) as apart:
        for seed in (0, 0, 50):  # the same weights twice, and others
            for one in (exe, apart):
                filled(one, seed)
            for _ in range(2):
                (found,), (expected,) = exe.forward(data=x).values(), apart.forward(data=x).values()
                np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
        kept = [exe.param(p.layer.name, p.index).tobytes() for p in net.parameters]
        assert kept == [apart.param(p.layer.name, p.index).tobytes() for p in net.parameters]


def test_what_depends_on_parameters_alone_is_made_once() -> None:
    """Until one of them changes, here or in the executable that they belong to."""
    net, x = netdef.parse(HEAD + CONV % "" + NORM), normal(3, 4, 9, 8)
    with runtime.compile(net) as owner, runtime.compile(net, share=owner, backward=False) as exe:
        runs = []
        place = next(instruction for instruction in exe.program.forward if instruction.kernel == "global_statistics")
        bound = exe._bound[place]
        exe._bound[place] = lambda: (runs.append(1), bound())
        filled(owner)
        for _ in range(3):
            exe.forward(data=x)
        assert len(runs) == 1
        exe.set_param("s", 0, np.ones(6))
        for _ in range(3):
            (found,) = exe.forward(data=x).values()
        assert len(runs) == 2
        np.testing.assert_allclose(found, owner.forward(data=x)["c"], rtol=1e-5, atol=1e-5)
        owner.update()
        exe.forward(data=x)
        assert len(runs) == 3


@pytest.mark.parametrize(
    "text",
    [
        CONV % "" + "layer n: BatchNorm(c)\nlayer t: TanH(c)\n",  # another reader
        CONV % "" + "layer n: BatchNorm(c) { use_global_stats: false }\n",
        CONV % "" + "layer s: Scale(c) { axis: 2 }\n",
        CONV % "" + "layer r: ReLU(c) -> c\nlayer n: BatchNorm(c) -> c\n",
        CONV % "" + "layer f: Input { shape { dim: 6 } }\nlayer s: Scale(c, f)\n",  # a factor that is no parameter
        FC % "axis: 2" + "layer s: Scale(c)\n",
    ],
)
def test_what_stays(text: str) -> None:
    assert kernels(text) == kernels(text, fold=False)


def test_blobs_that_can_be_read_stay() -> None:
    text = CONV % "" + "layer n: BatchNorm(c)\nlayer s: Scale(n) -> n\n"
    assert kernels(text, "outputs") == ["conv2d"]
    assert kernels(text, "activations") == ["conv2d", "normalize_channels", "scale_rows"]


def test_programs_with_backward_are_left_alone() -> None:
    program = compile_program(netdef.parse("force_backward: true " + HEAD + CONV % "" + NORM))
    assert [instruction.kernel for instruction in program.forward][-2:] == ["normalize_channels", "scale_add_rows"]
    assert not any(instruction.once for instruction in program.instructions)
