"""One device computes as two devices that cut its channels would."""

import numpy as np
import pytest

import netdef
import runtime
from runtime.ir.program import Program

DATA = "layer data: Input -> data, label { shape { dim: 8 dim: 3 dim: 9 dim: 9 } shape { dim: 8 } }\n"
LOSS = "layer loss: SoftmaxWithLoss(c, label)\n"
WIDE = "layer a: Convolution(data) { num_output: 96 kernel_size: 3 weight_filler { type: 'msra' } }\n"
CHAIN = (
    WIDE
    + "layer b: Convolution(a) { num_output: %d kernel_size: 5 group: %d pad: 2 weight_filler { type: 'msra' } }\n"
    + "layer r: ReLU(b) -> b\n"
    + "layer c: InnerProduct(b) { num_output: %d weight_filler { type: 'xavier' } }\n"
    + LOSS
)
FORK = "s: Convolution(a) { num_output: 98 kernel_size: 3 pad: 1 }\nlayer t: Eltwise(b, s)\nlayer c: InnerProduct(t)"


def program(text: str, devices: int = 1) -> Program:
    return runtime.compile_program(netdef.parse(DATA + text, phase="train"), devices=devices, losses_only=True)


def read(compiled: Program, layer: str) -> list[list[str]]:
    """What a layer's instructions backward read, but for the sums of gradients that the layer before it makes."""
    return [[str(buffer) for buffer in step.inputs] for step in compiled.backward if step.layer == layer]


def test_a_gradient_sums_over_halves_of_the_outputs() -> None:
    compiled = program(CHAIN % (98, 1, 5))
    assert ["%b.grad[0:49]", "%b.flipped", "%b.flipped"] in read(compiled, "b")
    assert ["%a.grad", "%a.grad.b.1"] in read(compiled, "b")
    assert read(compiled, "c")[2:4] == [["%c.grad[0:3]", "%c.w[0:3]"], ["%c.grad[3:5]", "%c.w[3:5]"]]


def test_groups_are_apart_as_they_are() -> None:
    assert not any(step.kernel == "add" for step in program(CHAIN % (98, 2, 1)).backward)


def test_norms_sum_by_halves() -> None:
    compiled = program(CHAIN.replace("b: Convolution(a)", "n: LRN(a)\nlayer b: Convolution(n)") % (98, 1, 5))
    assert [step.constants["blocks"] for step in compiled.backward if step.kernel == "lrn_backward"] == [2]


@pytest.mark.parametrize(("outputs", "group", "parts"), [(48, 1, 2), (47, 1, 1), (32, 2, 2)])
def test_nets_with_a_narrow_convolution_are_in_one_part(outputs: int, group: int, parts: int) -> None:
    """All of them: halves elsewhere would cost time, and bits would differ as well."""
    compiled = program(CHAIN % (outputs, group, 5))
    assert {step.constants.get("parts", parts) for step in compiled.forward if step.layer != "b"} == {parts}
    assert any("[" in str(buffer) for step in compiled.backward for buffer in step.inputs) == (parts == 2)


def test_shares_of_two_devices_sum_at_once() -> None:
    assert not any("[" in str(buffer) for step in program(CHAIN % (98, 1, 4), devices=2).backward for buffer in step.inputs)


def test_where_several_layers_read_a_blob_nothing_is_in_parts() -> None:
    compiled = program((CHAIN % (98, 1, 5)).replace("c: InnerProduct(b)", FORK))
    assert not any("[" in str(buffer) for step in compiled.backward for buffer in step.inputs)
    assert not any(step.constants.get("parts", 1) > 1 for step in compiled.forward)


def test_nets_without_a_loss_are_judged_by_their_outputs() -> None:
    """What is exported is computed as what was trained."""
    for text, parts in ((CHAIN % (98, 1, 5), 2), ((CHAIN % (98, 1, 5)).replace("c: InnerProduct(b)", FORK), 1)):
        net = netdef.parse(DATA + text.replace(LOSS, "layer quiet: Silence(label)"))
        forward = runtime.compile_program(net, backward=False).forward
        assert max(step.constants.get("parts", 1) for step in forward) == parts


def test_products_lie_the_same_way_on_all_devices() -> None:
    """97 outputs are 49 and 48, the weights of each 48: the longer side is one on one device and the other on the next."""
    text = (CHAIN % (98, 1, 4)).replace("num_output: 96 kernel_size: 3", "num_output: 97 kernel_size: 4")
    steps = [step for devices in (1, 2) for step in program(text, devices).backward if step.kernel == "conv2d_weight_gradient"]
    found = [(step.outputs[0].shape[0], step.constants["tall"]) for step in steps if step.outputs[0].shape[1:] == (3, 4, 4)]
    assert sorted(found) == [(48, True), (49, True), (97, True)]


def test_a_groups_weights_are_in_the_same_blocks_on_all_devices() -> None:
    """A device that has one of two groups does not cut its columns as if there were no other."""
    steps = [step for devices in (1, 2) for step in program(CHAIN % (98, 2, 4), devices).backward if step.layer == "b"]
    blocks = [step.constants["block"] for step in steps if step.kernel == "conv2d_weight_gradient"]
    assert blocks == [300] * 3


@pytest.mark.parametrize("more", ["layer prob: Softmax(c)", "layer top: Accuracy(c, label)", "layer dead: ReLU(a)"])
def test_what_sends_no_gradient_does_not_count(more: str) -> None:
    """Test nets report more than losses, and are still computed as the training net is."""
    assert {step.constants.get("parts") for step in program(CHAIN % (98, 1, 5) + more).forward} == {2, None}


@pytest.mark.parametrize(("outputs", "group", "classes"), [(98, 1, 5), (98, 2, 1), (160, 1, 4), (250, 1, 7), (49, 1, 3)])
@pytest.mark.parametrize("batch", [2, 7])
def test_two_devices_make_the_same_bits(outputs: int, group: int, classes: int, batch: int) -> None:
    net = netdef.parse((DATA + CHAIN % (outputs, group, classes)).replace("dim: 8", f"dim: {batch}"), phase="train")
    assert_same_bits(net, batch, classes)


def assert_same_bits(net: netdef.Net, batch: int, classes: int) -> None:
    """The gradients of all parameters, of one device and of two."""
    random = np.random.default_rng(0)
    images, labels = random.standard_normal(net.inputs[0].shape, np.float32), np.arange(batch) % classes
    found = []
    for devices in ("cpu", "cpu:0,cpu:1"):
        with runtime.compile(net, devices, seed=1, threads=2, losses_only=True) as exe:
            exe.run_forward(data=images, label=labels)
            exe.backward()
            found.append({str(p): exe.param_grad(p.layer.name, p.index) for p in exe.net.parameters})
    assert all(np.array_equal(found[0][name], found[1][name]) for name in found[0])


@pytest.mark.parametrize(("outputs", "size"), [(96, 3), (98, 3), (250, 3), (98, 5), (256, 5)])
def test_two_devices_make_the_same_bits_by_tiles(outputs: int, size: int) -> None:
    text = (CHAIN % (outputs, 1, 4)).replace("kernel_size: 5", f"kernel_size: {size}")
    net = netdef.parse((DATA + text).replace("dim: 8", "dim: 17"), phase="train")
    steps = list(runtime.compile_program(net, losses_only=True).instructions)
    tiles = {
        kernel: [step.constants["winograd"] for step in steps if step.kernel == kernel]
        for kernel in ("conv2d", "conv2d_weight_gradient")
    }
    assert tiles == {"conv2d": [False, True, True, True], "conv2d_weight_gradient": [size == 3, False]}  # b's input is in parts
    assert_same_bits(net, 17, 4)


def test_nets_that_pay_for_parts_are_computed_at_once() -> None:
    """ZFNet's second convolution has strides: col2im would run for each half."""
    for name in ("alexnet", "caffenet", "vgg16", "zfnet", "lenet", "googlenet"):
        compiled = runtime.compile_program(netdef.load(name, phase="train", batch_size=2), losses_only=True)
        halves = any(step.constants.get("parts", 1) > 1 for step in compiled.forward)
        assert halves == (name in ("alexnet", "caffenet", "vgg16")), name
