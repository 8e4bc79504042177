"""A net that was placed on two devices."""

import re
from dataclasses import dataclass
from xml.etree import ElementTree

import pytest

import netdef
from netdef.cli.draw import spread as spread_over
from netdef.cli.main import run
from netdef.draw import render
from netdef.draw.stages import drawing_of
from netdef.draw.theme import LIGHT
from netdef.graph.layer import Layer

SVG = "{http://www.w3.org/2000/svg}"


@dataclass(frozen=True)
class Move:
    bottom: int
    channels: tuple[int, int]
    images: tuple[int, int]


class Transfer(Layer):
    """What placement puts between layers of different devices."""

    is_transfer = True

    def __init__(self, device, bottoms, moves):
        self.name, self.type, self.device, self.moves = "transfer", "Transfer", device, moves
        self.message = self.p = None
        self.bottoms, self.tops, self.parameters, self.in_place = tuple(bottoms), (), (), (False,)
        self.param_fields, self._where = (), lambda _: None


def spread():
    """data on 0 -> conv on 0 and 1 -> fc on 0, which reads both."""
    net = netdef.parse(
        """
        layer data: Input { shape { dim: [4, 3, 8, 8] } }
        layer a: Convolution(data) { num_output: 6 kernel_size: 3 }
        layer b: Convolution(data) { num_output: 6 kernel_size: 3 }
        layer joined: Concat(a, b)
        layer fc: InnerProduct(joined) { num_output: 5 }
        """
    )
    net.layer("b").device = 1
    joined = net.layer("joined")
    transfer = Transfer(0, joined.bottoms, [Move(0, (0, 6), (0, 4)), Move(1, (0, 6), (0, 4))])
    transfer.tops = joined.tops
    joined.tops[0].producer = transfer
    layers = tuple(transfer if layer is joined else layer for layer in net.layers)
    net.layers = layers
    return net


def test_a_transfer_is_a_wire_with_its_bytes():
    drawing = drawing_of(spread())
    assert [(stage.name, stage.device) for stage in drawing.stages] == [("data", 0), ("a", 0), ("b", 1), ("fc", 0)]
    wires = {(wire.source.name, wire.target.name): (wire.crosses, wire.sent) for wire in drawing.wires}
    assert wires["a", "fc"] == (False, 0)
    assert wires["b", "fc"] == (True, 4 * 6 * 6 * 6 * 4)
    assert wires["data", "b"] == (True, 0)


def test_each_device_has_a_column_with_its_share():
    net = spread()
    picture = ElementTree.fromstring(render(net, "svg", devices=("cpu:0", "gpu:1")))
    texts = [text.text for text in picture.iter(f"{SVG}text")]
    assert {"cpu:0", "gpu:1"} <= set(texts)
    b = net.layers[2]
    work = b.macs / sum(layer.macs for layer in net.layers)
    assert f"{b.parameter_count} parameters  ·  {work:.0%} of the work" in texts
    assert "receives 3.38 KiB a batch, forward" in texts
    assert texts.count("3.38 KiB") == 1
    lines = [path.get("class") for path in picture.iter(f"{SVG}path") if "wire" in path.get("class", "")]
    assert sorted(lines) == ["wire", "wire", "wire crossing", "wire crossing"]


def test_the_head_is_that_of_the_whole_net():
    whole = netdef.load("alexnet")
    assert b"60,965,224 parameters" in render(spread(), "html", whole=whole, devices=("a", "b"))


def test_the_two_devices_of_the_paper(tmp_path, capsys):
    assert run(["draw", "alexnet", "--devices", "2", "-o", f"{tmp_path / 'two.svg'}"]) == 0
    picture = ElementTree.parse(tmp_path / "two.svg").getroot()
    texts = [text.text for text in picture.iter(f"{SVG}text")]
    assert texts.count("30.5 M parameters  ·  50% of the work") == 2
    for layer in ("conv1", "conv5", "fc6", "fc8"):
        assert texts.count(layer) == 2
    assert texts.count("48 × 55 × 55") == 4
    assert texts.count("2048") == 4
    batch = netdef.load("alexnet").blobs["data"].shape[0]
    assert texts.count(f"{batch * 128 * 13 * 13 * 4 / 2**20:.2f} MiB") == 2  # conv3 reads the other's half


def test_a_share_of_images_is_noted(tmp_path):
    assert run(["draw", "lenet", "--devices", "gpu:0-1", "--split", "batch", "-o", f"{tmp_path / 'two.svg'}"]) == 0
    picture = ElementTree.parse(tmp_path / "two.svg").getroot()
    texts = [text.text for text in picture.iter(f"{SVG}text")]
    assert {"gpu:0", "gpu:1"} <= set(texts)
    assert texts.count("50 images") == 2 * 8  # all but the loss and the accuracy


def test_dot_has_a_cluster_for_each_device():
    dot = render(spread(), "dot", devices=("cpu:0", "gpu:1")).decode()
    upper, lower = dot.split('subgraph "cluster_gpu:1" {')
    assert upper.count("[label=") == 4  # the graph's, and three nodes
    assert lower.split("}")[0].count("[label=") == 1
    assert '    label="gpu:1\\n168 parameters  ·  ' in lower
    assert "receives 3.38 KiB a batch, forward" in upper
    edges = re.findall(r"^  (n\d -> n\d)(.*)$", dot, re.M)
    assert sorted(edges) == [
        ("n0 -> n1", ""), ("n0 -> n2", f' [color="{LIGHT.crossing}"]'),
        ("n1 -> n3", ""), ("n2 -> n3", f' [color="{LIGHT.crossing}" label="3.38 KiB"]'),
    ]  # fmt: skip


def test_options_that_exclude_each_other(tmp_path, capsys):
    for options, message in (
        (["--split", "batch"], "--split divides a net over several devices"),
        (["--devices", "2", "--style", "volumes"], "volumes are for a net on one device"),
    ):
        assert run(["draw", "lenet", *options, "-o", f"{tmp_path / 'x.svg'}"]) == 2
        assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_shares_of_one_device(tmp_path, capsys):
    assert run(["draw", "lenet", "--devices", "cpu:0,cpu:0", "-o", f"{tmp_path / 'two.svg'}"]) == 0
    drawn = (tmp_path / "two.svg").read_text()
    assert "share 0 on cpu:0" in drawn
    assert "share 1 on cpu:0" in drawn


def test_invalid_devices_are_rejected(tmp_path, capsys):
    for devices, message in (("tpu:0", "there is no device 'tpu:0'"), ("0", "1 to 16 devices, not 0"), ("17", "not 17")):
        assert run(["draw", "lenet", "--devices", devices, "-o", f"{tmp_path / 'x.svg'}"]) == 2
        assert message in capsys.readouterr().err


def test_every_crossing_of_the_channels_has_its_bytes():
    whole = netdef.load("googlenet", phase="train")
    drawing = drawing_of(spread_over(whole, "2")[0], whole)
    assert sum(wire.crosses for wire in drawing.wires) > 100
    readers = {}  # what several stages read is sent, and counted, once
    for wire in drawing.wires:
        if wire.crosses:
            readers.setdefault((wire.source, wire.target.device), []).append(wire.sent)
    assert all(any(sent) for sent in readers.values())


@pytest.mark.parametrize(("name", "split"), [("alexnet", "groups"), ("alexnet", "hybrid"), ("vgg16", "groups"), ("lenet", "batch")])
def test_labels_are_on_their_wires_and_do_not_overlap(name, split, tmp_path):
    assert run(["draw", name, "--devices", "2", "--split", split, "--phase", "train", "-o", f"{tmp_path / 'two.svg'}"]) == 0
    picture = ElementTree.parse(tmp_path / "two.svg").getroot()
    tags = [rect for rect in picture.iter(f"{SVG}rect") if rect.get("class") == "tag"]
    rooms = [tuple(float(tag.get(key)) for key in ("x", "y", "width", "height")) for tag in tags]
    assert rooms
    for index, (x, y, width, height) in enumerate(rooms):
        assert not any(abs(x - u) < (width + w) / 2 and abs(y - v) < height for u, v, w, _ in rooms[index + 1 :])
    wires = [path.get("d") for path in picture.iter(f"{SVG}path") if path.get("class") == "wire crossing"]
    levels = {float(point.split(",")[1]) for wire in wires for point in re.split(r"[MLQ ]", wire) if point}
    assert all(any(abs(y + height / 2 - level) < 0.1 for level in levels) for _, y, _, height in rooms)
