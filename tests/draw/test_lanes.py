"""A net that was placed on two devices."""

from dataclasses import dataclass
from xml.etree import ElementTree

import netdef
from netdef.draw import render
from netdef.draw.stages import drawing_of
from netdef.layers.base import Layer

SVG = "{http://www.w3.org/2000/svg}"


@dataclass(frozen=True)
class Move:
    bottom: int
    channels: tuple[int, int]
    images: tuple[int, int]


class Transfer(Layer):
    """What placement puts between layers of different devices."""

    def __init__(self, device, parts, moves):
        self.name, self.type, self.device, self.moves = "transfer", "Transfer", device, moves
        self.message = self.p = None
        self.bottoms, self.tops, self.parameters, self.in_place = tuple(parts), (), (), (False,)
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
    assert f"{b.parameter_count} parameters  ·  {b.macs / 1000:.2f} k MACs an image" in texts
    assert "receives 3.38 KiB a batch, forward" in texts
    assert texts.count("3.38 KiB") == 1
    lines = [path.get("class") for path in picture.iter(f"{SVG}path") if "wire" in path.get("class", "")]
    assert sorted(lines) == ["wire", "wire", "wire crossing", "wire crossing"]


def test_the_head_is_that_of_the_whole_net():
    whole = netdef.load("alexnet")
    assert b"60,965,224 parameters" in render(spread(), "html", whole=whole, devices=("a", "b"))
