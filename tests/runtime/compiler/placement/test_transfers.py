"""What devices send each other, read off the programs."""

from collections import Counter

import pytest

import netdef
import runtime
from netdef.schema import message_class
from runtime.compiler.pipeline import compile_program
from runtime.compiler.placement.copies import Buckets
from runtime.ir.program import Instruction, Program
from runtime.solver.update import updates
from tests.marks import slow_except
from tests.runtime.compiler.placement.nets import difference, everything, net_of

BATCH = 32
MEGA = 4 * BATCH  # bytes of one number an image


def program(name: str, devices: int = 2, split: str = "groups", **options) -> Program:
    net = netdef.load(name, phase="train", batch_size=BATCH)
    update = updates(message_class("SolverParameter")())
    options = {"keep": "activations", "losses_only": True, "update": update, **options}
    return compile_program(net, devices=devices, split=split, **options)


def sends(steps: tuple[Instruction, ...]) -> Counter[tuple[str, int, int]]:
    """Numbers an image, by the layer they are for, sender and receiver."""
    found: Counter[tuple[str, int, int]] = Counter()
    for step in steps:
        if step.kernel == "send":
            found[step.layer, step.device, step.outputs[0].device] += step.outputs[0].bytes // MEGA
    return found


HALVES = {"conv3": 256 * 13 * 13 // 2, "fc6": 256 * 6 * 6 // 2, "fc7": 4096 // 2, "fc8": 4096 // 2}


def test_alexnet_is_divided_as_in_the_paper() -> None:
    """The devices talk where conv3 takes both halves of pool2 and at the fully connected layers, nowhere else."""
    compiled = program("alexnet")
    both_ways = {(layer, a, 1 - a): count for layer, count in HALVES.items() for a in (0, 1)}
    assert sends(compiled.forward) == both_ways | {("loss", 1, 0): 500}
    assert sends(compiled.backward) == both_ways | {("loss", 0, 1): 500}
    assert not sends(compiled.update)


def test_one_tower_is_divided_too_and_pays_for_it() -> None:
    """CaffeNet: each convolution after the first takes the other half of its input, each LRN two channels beyond the seam."""
    compiled = program("caffenet")
    halves = HALVES | {"conv2": 96 * 27 * 27 // 2, "conv4": 384 * 13 * 13 // 2, "conv5": 384 * 13 * 13 // 2}
    seams = {"norm1": 2 * 27 * 27, "norm2": 2 * 13 * 13}
    both_ways = {(layer, a, 1 - a): count for layer, count in (halves | seams).items() for a in (0, 1)}
    assert sends(compiled.forward) == both_ways | {("loss", 1, 0): 500}
    assert sends(compiled.backward) == both_ways | {("loss", 0, 1): 500}
    assert not sends(compiled.update)
    shapes = {(str(parameter), buffer.device): buffer.shape for parameter, buffer in compiled.parameters.items()}
    assert [shapes["conv2/0", device] for device in (0, 1)] == [(128, 96, 5, 5)] * 2


def test_each_device_of_alexnet_has_a_tower() -> None:
    compiled = program("alexnet")
    shapes = {(str(parameter), buffer.device): buffer.shape for parameter, buffer in compiled.parameters.items()}
    for device in (0, 1):
        assert shapes["conv1/0", device] == (48, 3, 11, 11)
        assert shapes["conv2/0", device] == (128, 48, 5, 5)
        assert shapes["conv3/0", device] == (192, 256, 3, 3)
        assert shapes["conv4/0", device] == (192, 192, 3, 3)
        assert shapes["fc6/0", device] == (2048, 9216)
        assert shapes["fc8/1", device] == (500,)


@pytest.mark.parametrize(
    ("name", "split"), [("alexnet", "groups"), *((name, "hybrid") for name in ("alexnet", "caffenet", "lenet", "googlenet"))]
)
def test_half_of_the_memory_is_enough_for_each(name: str, split: str) -> None:
    """Parameters and activations.  One tower by groups takes more, for its devices keep copies of each other's halves."""
    one, *each = (
        part["weights"] + part["activations"]
        for compiled in (program(name, 1), program(name, 2, split))
        for part in compiled.plan.by_device
    )
    assert max(each) <= 0.55 * one


def test_what_is_gathered_is_made_where_it_will_lie() -> None:
    """No device copies what it has: its half of pool2 is written where the whole of pool2 lies."""
    compiled = program("alexnet")
    assert not any(step.kernel == "copy" for step in compiled.instructions)
    gathered = {step.outputs[0].root for step in compiled.forward if step.kernel == "send"}
    assert {step.layer for step in compiled.forward if step.kernel != "send" and step.outputs[0].root in gathered} == {
        "pool2", "pool5", "drop6", "drop7", "fc8",
    }  # fmt: skip


@pytest.mark.parametrize("name", slow_except("alexnet", ["alexnet", "googlenet"]))
@pytest.mark.parametrize("split", ["groups", "batch", "hybrid"])
@pytest.mark.parametrize("devices", [2, 3, 4])
def test_backward_sends_what_forward_sent_the_other_way(name: str, split: str, devices: int) -> None:
    """The transpose of every transfer that has a gradient; copies of weights add sums of their own."""
    compiled = program(name, devices, split)
    learned = {parameter.layer.name for parameter in compiled.learned}
    there, back = Counter[tuple[int, int]](), Counter[tuple[int, int]]()
    for (layer, a, b), count in sends(compiled.forward).items():
        if layer not in learned:
            there[a, b] += count
    for (layer, a, b), count in sends(compiled.backward).items():
        if layer not in learned:
            back[b, a] += count
    assert there == back
    assert there


def test_halves_of_an_lrn_without_groups_exchange_its_seam_alone() -> None:
    found = sends(program("caffenet_norm_first").forward)
    seam = 2 * 55 * 55  # two channels of norm1's input each way
    assert found["norm1", 0, 1] == found["norm1", 1, 0] == seam


def test_data_parallel_devices_send_scores_gradients_and_weights() -> None:
    compiled = program("alexnet", 2, "batch")
    parameters = 60_965_224
    assert sends(compiled.forward) == {("loss", 1, 0): 1000 // 2}
    assert sum(sends(compiled.update).values()) == pytest.approx(parameters / BATCH, rel=1e-3)
    assert sum(sends(compiled.backward).values()) == pytest.approx(parameters / BATCH + 500, rel=1e-3)


def test_hybrid_gathers_images_before_the_fully_connected_layers() -> None:
    compiled = program("alexnet", 2, "hybrid")
    forward = sends(compiled.forward)
    assert {layer for layer, _, _ in forward} == {"fc6", "fc7", "fc8", "loss"}
    assert forward["fc6", 0, 1] == 256 * 6 * 6 // 2
    assert {parameter.layer.name for parameter in compiled.learned} == {f"conv{i}" for i in range(1, 6)}


def test_one_device_has_the_program_that_it_had() -> None:
    net = netdef.load("alexnet", phase="train", batch_size=BATCH)
    compiled = compile_program(net)
    assert compiled.division is None
    assert all(buffer.device == 0 for step in compiled.instructions for buffer in step.buffers)
    assert not {"send", "dropout_region", "take_columns", "join_columns"} & {step.kernel for step in compiled.instructions}


def test_the_printed_program_says_who_sends_what_to_whom() -> None:
    lines = program("alexnet").text().splitlines()
    assert any(line.startswith("  dev1  %pool2.all:0 = send %pool2") for line in lines)
    assert any(line.startswith("  dev1  %conv2@1 = conv2d %pool1 %conv2.w %conv2.b") for line in lines)


def test_groups_are_never_divided_by_a_border() -> None:
    """Three devices and two towers: two devices share one tower, the third has the other."""
    compiled = program("alexnet", 3)
    shapes = {(str(p), buffer.device): buffer.shape for p, buffer in compiled.parameters.items()}
    assert [shapes["conv2/0", device][:2] for device in range(3)] == [(64, 48), (64, 48), (128, 48)]


@pytest.mark.parametrize("device", [0, 1])
def test_a_layer_can_be_placed_by_hand(device: int) -> None:
    text = (
        "layer data: Input -> data { shape { dim: [2, 3, 8, 8] } }\n"
        f"layer a: Convolution(data) {{ num_output: 4 kernel_size: 3 device: {device} }}\n"
        "layer b: InnerProduct(a) { num_output: 4 }\n"
    )
    compiled = compile_program(netdef.parse(text), devices=2)
    assert {step.device for step in compiled.forward if step.layer == "a"} == {device}
    assert {step.device for step in compiled.forward if step.layer == "b" and step.kernel != "send"} == {0, 1}


def test_a_device_that_is_not_there_is_pointed_at() -> None:
    text = "layer data: Input -> data { shape { dim: [2, 3, 8, 8] } }\nlayer a: ReLU(data) { device: 2 }\n"
    with pytest.raises(netdef.NetdefError, match=r"<text>:2:.*device 2 is not there: the net is placed on 2[\s\S]*0 to 1"):
        compile_program(netdef.parse(text), devices=2)


BY_HAND = """
layer data: Input -> data, label { shape { dim: [4, 3, 8, 8] } shape { dim: 4 } }
defaults Convolution { device: 1 weight_filler { type: "xavier" } }
layer a: Convolution(data) { num_output: 4 kernel_size: 3 }
layer r: ReLU(a) -> a { device: 0 }
layer b: Convolution(a) { num_output: 4 kernel_size: 3 device: 2 }
layer c: InnerProduct(b) { num_output: 5 weight_filler { type: "xavier" } }
layer loss: SoftmaxWithLoss(c, label) { device: 1 }
"""


def test_by_hand_through_defaults_and_in_place() -> None:
    """What a layer says overrides its defaults; the rest is divided; the numbers are one device's."""
    net = netdef.parse(BY_HAND, phase="train")
    with runtime.compile(net, seed=1) as one, runtime.compile(net, "cpu:0-2", seed=1) as three:
        where = {step.layer: {s.device for s in three.program.forward if s.layer == step.layer} for step in three.program.forward}
        assert {name: where[name] for name in "abc"} == {"a": {1}, "b": {0, 2}, "c": {0, 1, 2}}  # 0 sends b what it reads
        assert {step.device for step in three.program.forward if step.kernel == "softmax_loss"} == {1}
        expected, found = everything(one), everything(three)
    assert max(difference(expected[what], found[what]) for what in expected) < 1e-5


def test_one_device_needs_no_placement_by_hand() -> None:
    """A net that says who runs what on three devices runs on one all the same."""
    compiled = compile_program(netdef.parse(BY_HAND, phase="train"))
    assert {step.device for step in compiled.instructions} == {0}


def test_devices_are_counted_from_zero() -> None:
    """Wrong on any number of devices, so said when the net is read."""
    with pytest.raises(netdef.NetdefError, match=r"<text>:3:24: error: Convolution a: device -1: devices are counted from 0"):
        netdef.parse(BY_HAND.replace("device: 1 weight", "device: -1 weight"))


@pytest.mark.parametrize("devices", [1, 2])
def test_an_unknown_split(devices: int) -> None:
    with pytest.raises(netdef.NetdefError, match="cannot be split by 'rows'"):
        compile_program(net_of("alexnet"), devices=devices, split="rows")


def test_copies_are_summed_in_the_order_of_the_devices() -> None:
    """Whichever device adds up a part: its own gradient has its place among the others'."""
    sums: dict[tuple[str, int], list[int]] = {}
    for step in program("lenet", 3, "batch").backward:
        names = [buffer.name.partition(":") for buffer in step.inputs]
        if step.kernel == "add" and any(sender for *_, sender in names):
            order = sums.setdefault((names[0][0], step.device), [])
            order += [int(sender or step.device) for *_, sender in names[bool(order) :]]
    assert {device for _, device in sums} == {0, 1, 2}
    assert set(map(tuple, sums.values())) == {(0, 1, 2)}


@pytest.mark.parametrize(("count", "kernels"), [(2, {"add"}), (4, {"add_4"}), (9, {"add", "add_8"})])
def test_cards_add_the_copies_of_many_at_once(count: int, kernels: set[str]) -> None:
    """In the order of the devices, and to what the chain of sums gives."""
    text = "layer x: Input { shape { dim: [18, 40] } } layer fc: InnerProduct(x) { num_output: 9 } layer s: Softmax(fc)"
    made = [compile_program(netdef.parse(text), devices=count, split="batch", cards=cards).backward for cards in (True, False)]
    adds, chain = ([one for one in backward if one.kernel.startswith("add")] for backward in made)
    assert {one.kernel for one in adds} == kernels and {one.kernel for one in chain} == {"add"}
    assert sum(len(one.inputs) - 1 for one in adds) == len(chain)
    for one in adds:
        senders = [int(name.partition(":")[2] or one.device) for name in (buffer.name for buffer in one.inputs)]
        assert senders == sorted(senders) or one.kernel == "add"  # to what came before


def test_the_smallest_buckets_have_a_number_each() -> None:
    text = "layer x: Input { shape { dim: [6, 40] } } layer fc: InnerProduct(x) { num_output: 3 } layer s: Softmax(fc)"
    sent = compile_program(netdef.parse(text), devices=2, split="batch", buckets=Buckets(1, [0, 1])).backward
    assert [step.sent_bytes for step in sent if step.is_send] == [4] * (40 * 3 + 3)
