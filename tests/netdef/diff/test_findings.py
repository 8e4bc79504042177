"""Findings about whole networks."""

import pytest

import netdef
from netdef.diff import Sheet, compare, compare_nets, findings, render
from netdef.diff.text import percent
from tests.netdef.diff.nets import ONE, TOWERS, differ, parse, reported


def story(a, b):
    return {one.kind: one for one in findings(compare_nets(netdef.load(a), netdef.load(b)))}


def test_alexnet_and_caffenet():
    found = story("alexnet", "caffenet")
    assert list(found) == ["merged", "swapped", "constant", "initialiser"]
    merged, swapped, constants, fillers = found.values()
    assert merged.title == "Towers merged: conv2, conv4 and conv5 now read all channels (group 2 -> 1)"
    assert merged.costs == {"parameters": 1_413_120, "macs": 410_849_280}
    assert swapped.title == "Swapped after conv1 and conv2: pooling now comes before normalisation"
    assert swapped.lines[0] == "relu1 -> norm1 -> pool1 -> conv2   is now   relu1 -> pool1 -> norm1 -> conv2"
    assert swapped.costs["macs"] < 0 and swapped.costs["activations"] < 0
    assert [(row.who, row.what, row.before, row.after) for row in constants.rows] == [
        (("norm1", "norm2"), "alpha", "0.0005", "0.0001"),
        (("norm1", "norm2"), "k", "2", "1 (default)"),
        (("norm1", "norm2"), "group", "2", "1 (default)"),
    ]
    assert [(row.who, row.what, row.before, row.after) for row in fillers.rows] == [
        (("fc6", "fc7"), "weight_filler.std", "0.01", "0.005")
    ]


def test_the_report_fits_a_screen():
    text = render(compare("alexnet", "caffenet"))
    assert len(text.splitlines()) <= 40
    assert max(map(len, text.splitlines())) <= 120
    assert "\x1b" not in text
    assert "  parameters   60,965,224 -> 62,378,344   +1,413,120 (+2.3 %)" in text
    assert "\x1b" in render(compare("alexnet", "caffenet"), Sheet(colour=True))


TOTALS = {"parameters": "parameters", "macs": "macs", "activations": "activation_bytes"}


def costs(a, b):
    """What all findings cost in sum, and the difference of the totals."""
    found = findings(compare_nets(a, b))
    reported = {kind: sum(finding.costs.get(kind, 0) for finding in found) for kind in TOTALS}
    return reported, {kind: getattr(b.totals, name) - getattr(a.totals, name) for kind, name in TOTALS.items()}


@pytest.mark.parametrize(
    "other", ["alexnet_one_tower", "alexnet_six_conv", "alexnet_tf", "caffenet", "googlenet", "lenet", "nin", "vgg16", "zfnet"]
)
def test_costs_add_up_to_the_totals(other):
    """What the findings cost is the difference of the sums: nothing is reported twice or left out."""
    a, b = netdef.load("alexnet", batch_size=2), netdef.load(other, batch_size=2)
    reported, wanted = costs(a, b)
    assert reported == wanted
    back, _ = costs(b, a)
    assert back == {kind: -number for kind, number in wanted.items()}


def test_costs_of_towers_add_up_too():
    for a, b in ((parse(TOWERS), parse(ONE.format(group=2))), (parse(ONE.format(group=1)), parse(TOWERS))):
        reported, wanted = costs(a, b)
        assert reported == wanted


def test_a_sixth_convolution():
    found = story("alexnet", "alexnet_six_conv")
    assert list(found) == ["inserted"]
    assert found["inserted"].title == "Inserted: conv6 (Convolution) and relu_conv6 (ReLU)"


def test_relu_to_tanh():
    found = story("cifar10_relu", "cifar10_tanh")
    assert list(found) == ["replaced"]
    assert found["replaced"].title.startswith("ReLU is now TanH: relu1 (now tanh1)")


@pytest.mark.parametrize("model", ["alexnet", "googlenet", "nin", "lenet"])
def test_nothing(model):
    assert not compare(model, model)
    assert story(model, model) == {}


def test_there_and_back():
    """What one way is inserted is removed the other way, and costs change their sign."""
    there, back = story("vgg16", "vgg19"), story("vgg19", "vgg16")
    assert sorted(there["inserted"].layers) == sorted(back["removed"].layers)
    assert {kind: -count for kind, count in there["inserted"].costs.items()} == back["removed"].costs


TRAIN = """
train layer data: Input {{ shape {{ dim: {n} dim: 4 }} }}
test layer data: Input {{ shape {{ dim: 2 dim: 4 }} }}
layer fc: InnerProduct(data) {{ num_output: 5 {fc} }}
{phase} layer drop: Dropout(fc) {{ dropout_ratio: {ratio} }}
"""


def test_differences_of_one_phase():
    a = TRAIN.format(n=2, fc="", phase="train", ratio=0.5)
    b = TRAIN.format(n=2, fc="bias_term: false", phase="train", ratio=0.25)
    sections = differ(a, b).sections
    assert [(section.phase, [one.kind for one in section.findings]) for section in sections] == [
        ("", ["setting"]),
        ("train", ["setting"]),
    ]
    assert sections[1].findings[0].rows[0].before == "0.5 (default)"
    text = render(differ(a, b))
    assert "\nOnly in the train phase\n" in text
    assert text.count("bias_term") == 1


def test_a_layer_inserted_in_one_phase():
    a = TRAIN.format(n=2, fc="", phase="train", ratio=0.5)
    sections = differ(a, a.replace("train layer drop", "test layer drop")).sections
    assert [(s.phase, [one.title for one in s.findings]) for s in sections if s.findings] == [
        ("test", ["Inserted: drop (Dropout)"]),
        ("train", ["Removed: drop (Dropout)"]),
    ]


def test_consequences_come_last_and_leave_out_layers_in_place():
    text = "layer c: Convolution(data) {{ num_output: {} kernel_size: 3 }}\nlayer r: ReLU(c) -> c\nlayer p: LRN(c)"
    found = reported(parse(text.format(4)), parse(text.format(8)))
    assert [kind for kind, _ in found] == ["setting", "follows"]
    (follows,) = [one for one in findings(compare_nets(parse(text.format(4)), parse(text.format(8)))) if one.kind == "follows"]
    assert [facts.who for facts in follows.facts] == ["p"]


def test_split_into_towers():
    text = "layer c: Convolution(data) {{ num_output: 4 kernel_size: 3 group: {} }}"
    titles = [reported(parse(text.format(a)), parse(text.format(b)))[0][1] for a, b in ((1, 2), (2, 4), (4, 2))]
    assert titles == [
        "Split into towers: c now reads only half of the channels (group 1 -> 2)",
        "Towers: c (group 2 -> 4)",
        "Towers: c (group 4 -> 2)",
    ]


def test_towers_of_unchanged_kernels():
    found = story("alexnet", "alexnet_one_tower")
    assert found["merged"].title == "One of 2 towers is left in conv2, conv4 and conv5 (group 2 -> 1)"
    assert (
        story("alexnet_one_tower", "alexnet")["split"].title == "2 towers in place of one in conv2, conv4 and conv5 (group 1 -> 2)"
    )


def test_the_weight_of_a_loss():
    text = "layer f: InnerProduct(data) {{ num_output: 1 }}\nlayer l: EuclideanLoss(f, f) {{ {} }}"
    assert reported(parse(text.format("")), parse(text.format("loss_weight: 1"))) == []
    rows = findings(compare_nets(parse(text.format("")), parse(text.format("loss_weight: 2"))))[0].rows
    assert [(row.what, row.before, row.after) for row in rows] == [("loss_weight", "1", "2")]


@pytest.mark.parametrize(
    ("before", "after", "reported"),
    [(60_965_224, 62_378_344, "+2.3 %"), (1000, 3, "-99.7 %"), (1000, 0, "-100 %"), (62_357_608, 62_378_344, "+0.03 %"),
     (10**6, 10**6 - 1, "less than 0.01 %"), (10, 12_340, "1,234 times"),
     (10, 25, "+150 %"), (100, 97, "-3.0 %")],
)  # fmt: skip
def test_shares(before, after, reported):
    assert percent(before, after) == reported


def test_unrelated_nets_are_summarised():
    for other, most in (("nin", 80), ("vgg16", 90), ("googlenet", 125)):
        lines = render(compare("alexnet", other)).splitlines()
        assert len(lines) <= most
        assert max(map(len, lines)) <= 120


def test_many_new_layers_are_counted_by_type():
    text = render(compare("alexnet", "googlenet"))
    assert "Inserted: 53 Convolution, 53 ReLU, 14 Pooling, 2 LRN, 9 Concat and 1 Dropout" in text
    row = next(line for line in text.splitlines() if line.startswith("  53 Convolution"))
    new = [layer for layer in netdef.load("googlenet").layers if layer.type == "Convolution"]
    assert row.split()[2] == f"{sum(layer.parameter_count for layer in new) - PAIRED:,}"


PAIRED = 713_936  # parameters of the four convolutions that have counterparts in AlexNet


@pytest.mark.parametrize("width", [60, 80, 100])
def test_narrow_terminals(width):
    for other in ("caffenet", "zfnet", "lenet"):
        lines = render(compare("alexnet", other), Sheet(width=width)).splitlines()
        assert max(len(line) for line in lines if "is now" not in line) <= max(width, 78)


def test_rates_and_the_net_as_a_whole():
    text = "{} layer c: InnerProduct(data) {{ num_output: 4 {} }}"
    found = reported(parse(text.format("", "")), parse(text.format("force_backward: true", "param { lr_mult: 0 }")))
    assert [kind for kind, _ in found] == ["rate", "net"]


def test_blobs_of_one_name_are_distinguished_by_their_layer(tmp_path, capsys):
    """A layer in place that comes after its reader: what is read has the name that it had."""
    from netdef.cli.main import run

    (tmp_path / "a.net").write_text('include "lenet"\nremove layer relu1\nlayer relu1: ReLU(ip1) -> ip1\n')
    assert run(["diff", "lenet", str(tmp_path / "a.net")]) == 1
    assert "What layers read\n  ip2  bottom  ip1 of relu1 -> ip1 of ip1\n" in capsys.readouterr().out
