"""Which layer is which: by structure as well as by name."""

from time import process_time

import pytest

import netdef
from netdef.diff import align, compare
from tests.netdef.diff.nets import ONE, TOWERS, changes, differ, net, pairs, parse, reported


def stack(*widths, first=1):
    """Convolutions with ReLUs, numbered from `first`."""
    text, below = "", "data"
    for number, width in enumerate(widths, first):
        text += f"layer conv{number}: Convolution({below}) {{ num_output: {width} kernel_size: 3 pad: 1 }}\n"
        text += f"layer relu{number}: ReLU(conv{number}) -> conv{number}\n"
        below = f"conv{number}"
    return text


def test_a_renamed_layer_is_matched_by_its_neighbours():
    a, b = net(more="layer old: Sigmoid(conv)"), net(more="layer new: Sigmoid(conv)")
    assert changes(a, b) == {"new": [("name", "old", "new")]}
    assert pairs(a, b) == [("data", "data"), ("conv", "conv"), ("relu", "relu"), ("old", "new"), ("fc", "fc")]


def test_readers_of_a_renamed_layer_are_unchanged():
    text = "layer {0}: Sigmoid(data)\nlayer t: TanH({0})"
    assert changes(parse(text.format("old")), parse(text.format("new"))) == {"new": [("name", "old", "new")]}


def test_a_layer_inserted_before_others_that_are_renumbered():
    a, b = parse(stack(8, 16, 32)), parse(stack(5, 8, 16, 32))
    assert pairs(a, b)[:5] == [("data", "data"), ("", "conv1"), ("", "relu1"), ("conv1", "conv2"), ("relu1", "relu2")]
    assert [kind for kind, _ in reported(a, b)] == ["inserted", "follows", "renamed"]


def test_the_same_names_with_other_widths():
    a, b = parse(stack(8, 16, 32, 64, 128)), parse(stack(16, 32, 64, 128, 256))
    assert all(x == y for x, y in pairs(a, b))


def test_the_same_net_with_other_names():
    text = stack(8, 16, 32).replace("conv", "features.").replace("relu", "act")
    found = reported(parse(stack(8, 16, 32)), parse(text))
    assert found == [("renamed", "Renamed: 6 layers")]


def test_an_inserted_layer_leaves_later_layers_unchanged():
    a, b = net(), net(more="layer n: LRN(conv)\nlayer fc0: InnerProduct(n) { num_output: 7 }")
    assert [kind for kind, _ in reported(a, b)] == ["inserted"]


def test_a_layer_removed_from_a_chain():
    a = parse("layer x: TanH(data)\nlayer y: Sigmoid(x)\nlayer z: AbsVal(y)")
    b = parse("layer x: TanH(data)\nlayer z: AbsVal(x)")
    assert reported(a, b) == [("removed", "Removed: y (Sigmoid)")]


def test_a_bottom_that_moves():
    a, b = (net(more=f"layer s: TanH(conv)\nlayer e: ReLU({bottom})") for bottom in ("conv", "s"))
    assert changes(a, b) == {"e": [("bottom", "conv", "s")]}


def test_branches_in_another_order_are_no_difference():
    one, two = "layer a: TanH(data)\n", "layer b: Sigmoid(data)\n"
    last = "layer c: Eltwise(a, b)\n"
    assert not reported(parse(one + two + last), parse(two + one + last))


def test_swapped_layers_of_other_names():
    a = parse("layer n: LRN(data)\nlayer p: Pooling(n) { kernel_size: 2 stride: 2 }\nlayer fc: InnerProduct(p) { num_output: 5 }")
    b = parse("layer q: Pooling(data) { kernel_size: 2 stride: 2 }\nlayer m: LRN(q)\nlayer fc: InnerProduct(m) { num_output: 5 }")
    found = reported(a, b)
    assert found[0] == ("swapped", "Swapped after data: pooling now comes before normalisation")
    assert [kind for kind, _ in found] == ["swapped", "renamed"]


def test_towers_written_out_and_as_one_layer():
    a, b = parse(TOWERS), parse(ONE.format(group=2))
    assert pairs(a, b)[1:] == [
        ("conv1a+conv1b", "conv1"),
        ("relu1a+relu1b", "relu1"),
        ("conv2a+conv2b", "conv2"),
        ("both", ""),
        ("fc", "fc"),
    ]
    (kind, title), *rest = reported(a, b)
    assert (kind, rest) == ("merged", [])
    assert title.startswith("Towers merged: conv1a + conv1b -> conv1, relu1a + relu1b -> relu1 and conv2a + conv2b -> conv2")
    (kind, title), *rest = reported(b, a)
    assert (kind, rest) == ("split", [])


def test_towers_are_reported_once_for_both_phases():
    one, two = ("layer data: Input { shape { dim: 2 dim: 4 dim: 16 dim: 16 } }\n" + text for text in (TOWERS, ONE.format(group=2)))
    (section,) = differ(one, two).sections
    assert (section.phase, [finding.kind for finding in section.findings]) == ("", ["merged"])
    assert [facts.who for facts in section.findings[0].facts] == [
        "conv1a + conv1b -> conv1",
        "conv2a + conv2b -> conv2",
        "both: Concat(conv2a, conv2b)",
    ]


def test_towers_of_a_slice():
    a = parse(
        "layer s: Slice(data) -> l, r\nlayer x: Convolution(l) { num_output: 2 kernel_size: 1 }\n"
        "layer y: Convolution(r) { num_output: 2 kernel_size: 1 }\nlayer c: Concat(x, y)\nlayer e: TanH(c)"
    )
    b = parse("layer g: Convolution(data) { num_output: 4 kernel_size: 1 group: 2 }\nlayer e: TanH(g)")
    assert ("x+y", "g") in pairs(a, b)
    assert [kind for kind, _ in reported(a, b)] == ["merged"]


def test_twins_on_both_sides_are_matched_one_by_one():
    renamed = TOWERS.replace("1a", "1_left").replace("1b", "1_right")
    found = pairs(parse(TOWERS), parse(renamed))
    assert ("conv1a", "conv1_left") in found
    assert ("relu1b", "relu1_right") in found


def test_every_layer_is_matched_once():
    a, b = parse(TOWERS), parse(stack(3, 8, 12))
    for first, second in ((a, b), (b, a)):
        matches = align(first, second)
        for side, whole in (("before", first), ("after", second)):
            layers = [layer for match in matches for layer in getattr(match, side)]
            assert sorted(layers, key=whole.layers.index) == list(whole.layers)


@pytest.mark.slow
def test_deep_nets_are_aligned_in_time():
    """Beyond a few hundred layers the table of all pairs would grow with the square."""
    widths = [4] * 1500
    a, b = parse(stack(*widths)), parse(stack(*widths[:700], 6, *widths[701:]) + "layer new: TanH(conv9)\n")
    started = process_time()
    found = changes(a, b)
    assert process_time() - started < 5
    assert found["conv701"][0] == ("num_output", "4", "6")
    assert pairs(a, b)[-1] == ("", "new")


def test_nothing_in_common():
    a, b = parse("layer x: TanH(data)"), parse("layer y: Softmax(data)")
    assert reported(a, b) == [("inserted", "Inserted: y (Softmax)"), ("removed", "Removed: x (TanH)")]


def test_layers_that_have_nothing_in_common_are_not_paired():
    """A convolution is not another one merely because both are convolutions."""
    a = parse("layer x: Convolution(data) { num_output: 3 kernel_size: 1 }")
    b = parse("layer y: Convolution(data) { num_output: 9 kernel_size: 5 stride: 2 group: 1 }\nlayer z: LRN(y)")
    assert ("x", "") in pairs(a, b)


def test_a_relu_is_paired_with_the_layer_it_follows():
    """Equal names do not make two ReLUs one."""
    for phase in ("test", "train"):
        found = dict(pairs(netdef.load("alexnet", phase=phase), netdef.load("nin", phase=phase)))
        assert (found["conv1"], found["relu1"]) == ("conv1", "relu0")
        assert (found["conv2"], found["relu2"]) == ("conv2", "relu3")
        assert found["fc6"] == found["relu6"] == ""  # nin's relu6 follows cccp4


def test_layers_in_place_are_paired_with_their_input():
    found = dict(pairs(netdef.load("alexnet"), netdef.load("vgg16")))
    assert (found["conv5"], found["relu5"], found["pool5"]) == ("conv3_3", "relu3_3", "pool3")


def test_both_phases_are_aligned_alike():
    """Layers are matched alike in testing and training, whichever layers are in one phase only."""
    for other in ("googlenet", "lenet", "nin", "vgg16"):
        found = compare("alexnet", other).compared
        partners = [
            {m.before[0].name: m.after[0].name for m in found[phase].matches if m.before and m.after} for phase in ("test", "train")
        ]
        both = partners[0].keys() & {layer.name for layer in found["train"].before.layers}
        assert {name: partners[1].get(name) for name in both} == {name: partners[0][name] for name in both}


@pytest.mark.slow
def test_a_long_chain_without_weights():
    text = "".join(f"layer a{n}: AbsVal({f'a{n - 1}' if n else 'data'})\n" for n in range(3000))
    started = process_time()
    assert reported(parse(text), parse(text + "layer t: TanH(a2999)")) == [("inserted", "Inserted: t (TanH)")]
    assert process_time() - started < 5
