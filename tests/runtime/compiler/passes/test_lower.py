"""Lowering: which gradients are computed, how they are joined, what the printed program says."""

import re

import pytest

import netdef
import runtime
from netdef.layers.pooling import SPP
from netdef.layers.select import Crop
from runtime.compiler.pipeline import PASSES
from runtime.ir.program import Program
from runtime.kernels.rooms import load_rooms
from runtime.ops.registry import _LOWERINGS

DATA = "layer data: Input -> data, label { shape { dim: 2 dim: 3 dim: 8 dim: 8 } shape { dim: 2 } }\n"


def program(text: str, **options) -> Program:
    return runtime.compile_program(netdef.parse(DATA + text, phase="train"), **options)


def kernels(steps) -> list[str]:
    return [f"{one.layer}.{one.kernel}" for one in steps]


CONV = "layer conv: Convolution(data) { num_output: 4 kernel_size: 3 }\n"
REST = "layer fc: InnerProduct(conv) { num_output: 5 }\nlayer loss: SoftmaxWithLoss(fc, label)\n"


def test_the_first_layer_computes_no_gradient_of_the_data() -> None:
    steps = kernels(program(CONV + REST).backward)
    assert "conv.conv2d_weight_gradient" in steps
    assert "conv.conv2d_input_gradient" not in steps
    assert steps.index("loss.softmax_loss_backward") == 0


def test_force_backward_computes_it() -> None:
    compiled = program("force_backward: true\n" + CONV + REST)
    assert {blob.name for blob in compiled.gradients} >= {"data", "conv", "fc"}
    assert "label" not in {blob.name for blob in compiled.gradients}


def test_what_is_frozen_is_not_computed() -> None:
    frozen = CONV.replace("3 }", "3 param { lr_mult: 0 } param { lr_mult: 0 } }")
    steps = kernels(program(frozen + REST).backward)
    assert not any(one.startswith("conv.") for one in steps)
    assert "fc.inner_product_weight_gradient" in steps
    assert "fc.inner_product_input_gradient" not in steps


def test_training_ignores_outputs_that_are_no_loss() -> None:
    side = "layer aside: InnerProduct(conv) { num_output: 3 }\n"
    training = kernels(program(CONV + side + REST, losses_only=True).backward)
    assert not any(one.startswith("aside.") for one in training)
    assert any(one.startswith("aside.") for one in kernels(program(CONV + side + REST).backward))


def test_a_blob_read_three_times_sums_three_gradients_in_order() -> None:
    branches = "".join(f"layer b{i}: InnerProduct(conv) {{ num_output: 5 }}\n" for i in range(3))
    rest = "layer sum: Eltwise(b0, b1, b2)\nlayer loss: SoftmaxWithLoss(sum, label)\n"
    steps = [one for one in program(CONV + branches + rest).backward if one.kernel == "add" and one.layer == "conv"]
    assert len(steps) == 2
    assert [str(buffer) for buffer in steps[0].inputs] == ["%conv.grad.b0", "%conv.grad.b1"]


def test_a_shared_parameter_sums_its_layers_gradients() -> None:
    shared = "param { name: 'w' } param { name: 'b' }"
    text = (
        f"layer a: InnerProduct(data) {{ num_output: 192 {shared} }}\n"
        f"layer b: InnerProduct(a) {{ num_output: 192 {shared} }}\n"
        "layer loss: EuclideanLoss(b, a)\n"
    )
    compiled = program(text.replace("layer loss: EuclideanLoss(b, a)\n", ""))
    assert len(compiled.parameters) == len(compiled.parameter_gradients) == 2
    assert kernels(compiled.backward)[-2:].count("a.add") == 2


def test_no_backward_at_all_for_inference() -> None:
    compiled = program(CONV + REST, backward=False)
    assert not compiled.backward
    assert not compiled.gradients


def test_a_type_without_kernels_says_where_and_what_can_run(monkeypatch: pytest.MonkeyPatch) -> None:
    load_rooms("lower")
    monkeypatch.delitem(_LOWERINGS, SPP)
    monkeypatch.delitem(_LOWERINGS, Crop)
    with pytest.raises(netdef.NetdefError) as error:
        spp = "SPP(data) { pyramid_height: 2 }\n"
        program(f"layer a: {spp}layer b: Crop(data, data)\nlayer c: {spp}")
    text = str(error.value)
    assert "<text>:2:" in text
    assert "no kernels for SPP (2 layers), Crop (1 layer) yet" in text
    assert "netdef layers lists the types that can run" in text


def test_the_printed_program() -> None:
    text = program(CONV + "layer relu: ReLU(conv) -> conv\n" + REST).text()
    line = next(line for line in text.splitlines() if "conv2d " in line)
    assert re.match(r"  dev0  %conv@1 = conv2d %data %conv.w %conv.b  ", line)
    assert "stride 1x1" in line
    assert "+has_bias +relu" in line
    assert "(2, 4, 6, 6)" in line
    assert "MMAC/image" in line
    assert text.startswith("forward:\n")
    assert "\nbackward:\n" in text


@pytest.mark.parametrize("after", PASSES)
def test_a_program_after_each_pass(after: str) -> None:
    compiled = program(CONV + "layer relu: ReLU(conv) -> conv\n" + REST, after=after)
    done = PASSES[: PASSES.index(after) + 1]
    assert bool(compiled.forward) == ("lower" in done)
    assert ("relu.relu_forward" in kernels(compiled.forward)) == ("lower" in done and "fuse" not in done)
    assert (compiled.plan is not None) == ("plan_memory" in done)
    assert compiled.iteration == ((*compiled.forward, *compiled.backward) if "order" in done else ())


def test_an_unknown_pass_is_refused() -> None:
    with pytest.raises(netdef.NetdefError, match="no pass 'optimise'"):
        program(CONV, after="optimise")
