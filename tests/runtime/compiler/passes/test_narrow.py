"""Which buffers become bfloat16: those that all their instructions take so, and nothing that a user reads."""

from __future__ import annotations

import pytest

import netdef
from netdef.cli.main import run
from runtime.compiler.pipeline import compile_program
from runtime.ir.program import NARROW, Program
from runtime.kernels.cuda.options import Target
from runtime.kernels.cuda.registry import forms_on, plan
from runtime.kernels.operand import operands_of

BF16 = Target(math="bf16")


def compiled(net: netdef.Net, target: Target = BF16, **options: object) -> Program:
    return compile_program(net, losses_only=True, keep="outputs", narrow=forms_on(target), **options)


@pytest.fixture(scope="module")
def alexnet() -> Program:
    return compiled(netdef.load("alexnet", phase="train", batch_size=128))


def types(program: Program) -> dict[str, str]:
    return {buffer.name: buffer.dtype for one in program.instructions for buffer in one.buffers}


def test_blobs_between_layers_and_their_gradients_are_narrow(alexnet: Program) -> None:
    found = types(alexnet)
    layers = ("conv1@1", "norm1", "pool1", "conv2@1", "norm2", "pool2", "conv3@1", "conv4@1", "conv5@1", "pool5", "fc6@1", "fc7@2")
    for name in layers:
        assert found[name] == found[f"{name}.grad"] == NARROW, name
    wide = ("data", "fc8", "fc8.grad", "loss", "conv1.w", "fc6.w", "conv1.w.grad", "conv1.b.grad", "pool1.argmax")
    for name in wide:
        assert found[name] != NARROW, name


def test_every_instruction_has_a_plan(alexnet: Program) -> None:
    """With the types of its buffers in the names of its kernels."""
    for one in alexnet.instructions:
        launches = plan(one.kernel, operands_of(one), one.constants, BF16).launches
        narrow = any(buffer.dtype == NARROW for buffer in one.buffers)
        assert narrow == any("bf16" in getattr(launch, "function", "") for launch in launches), one


def test_memory_of_blobs_shrinks(alexnet: Program) -> None:
    other = compiled(netdef.load("alexnet", phase="train", batch_size=128), Target(math="tf32"))
    assert NARROW not in types(other).values()
    assert alexnet.plan is not None and other.plan is not None
    assert alexnet.plan.totals["activations"] < 0.61 * other.plan.totals["activations"]
    for kind in ("weights", "weight gradients"):
        assert alexnet.plan.totals[kind] == other.plan.totals[kind]


@pytest.mark.parametrize("name", ["resnet18", "mobilenet", "googlenet"])
def test_blocks_are_narrow(name: str) -> None:
    """All blobs and their gradients but what the host gives, scores, and what becomes the loss."""
    program = compiled(netdef.load(name, phase="train", batch_size=128), cards=True)
    roots = {
        buffer.root for one in program.instructions for buffer in one.buffers if buffer.root.role in ("activation", "gradient")
    }
    wide = sum(root.size for root in roots if root.dtype != NARROW)
    assert wide < 0.03 * sum(root.size for root in roots), [root for root in roots if root.dtype != NARROW]
    assert types(program)["loss" if name != "googlenet" else "loss3/loss3"] == "float32"


TWO_READERS = """
layer data: Input -> data { shape { dim: 4 dim: 3 dim: 8 dim: 8 } }
layer conv: Convolution(data) { num_output: 8 kernel_size: 3 pad: 1 }
layer relu: ReLU(conv)
layer norm: MVN(conv)
layer pool: Pooling(relu) { pool: MAX kernel_size: 2 stride: 2 }
"""


def test_a_reader_without_a_form_keeps_float32() -> None:
    """And so do outputs of the net, whatever makes them."""
    found = types(compile_program(netdef.parse(TWO_READERS), backward=False, narrow=forms_on(Target(1 << 20, 1, "bf16"))))
    assert found["conv"] == found["norm"] == found["pool"] == "float32"
    assert found["relu"] == NARROW


IN_PLACE = """
layer data: Input -> data, label { shape { dim: 3 dim: 7 } shape { dim: 3 } }
layer a: InnerProduct(data) { num_output: 5 }
layer t: Sigmoid(a)
layer d: Dropout(t)
layer e: TanH(d)
layer g: InnerProduct(e) { num_output: 5 }
layer h: Dropout(g)
layer i: TanH(h)
layer s: SoftmaxWithLoss(i, label)
"""


def test_nothing_is_done_in_place_on_two_types() -> None:
    """Of so few numbers that both types take one cache line."""
    program = compiled(netdef.parse(IN_PLACE, phase="train"))
    assert program.plan is not None
    offsets, pairs = program.plan.offsets, 0
    for one in program.instructions:
        if not (one.inplace and one.inputs and one.outputs):
            continue
        source, target = one.inputs[0].root, one.outputs[0].root
        pairs += source.dtype != target.dtype
        assert source.dtype == target.dtype or offsets[source] != offsets[target], one
    assert pairs


def test_types_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """And --math has an effect then, and --conv, which decides what convolutions take."""
    narrow = ["compile", "alexnet", "--devices", "gpu:0", "--math", "bf16", "--print", "--after", "narrow"]
    assert run([*narrow, "--conv", "tiles"]) == 0
    tiles = capsys.readouterr()
    assert "%norm1:bf16 = lrn_forward %conv1@1:bf16" in tiles.out and tiles.err == ""
    assert run([*narrow, "--conv", "im2col"]) == 0
    columns = capsys.readouterr()
    assert columns.out.count(":bf16") < tiles.out.count(":bf16") and columns.err == ""
    assert run(["compile", "alexnet", "--devices", "gpu:0", "--math", "bf16", "--after", "elide"]) == 0
    assert "--math bf16 has no effect" in capsys.readouterr().err
