"""A net as a REPL and a notebook show it."""

import netdef

TEXT = """
name: "small <b>"
layer data: Input -> data, label { shape { dim: [2, 4, 8, 8] } shape { dim: 2 } }
layer conv: Convolution(data) { num_output: 8 kernel_size: 3 }
layer relu: ReLU(conv) -> conv
layer fc: InnerProduct(conv) { num_output: 5 bias_term: false }
layer loss: SoftmaxWithLoss(fc, label)
"""


def test_repr_has_phase_batch_layers_and_parameters():
    assert repr(netdef.parse(TEXT, phase="train")) == "<Net 'small <b>' train: batch 2; 5 layers, 1,736 parameters>"


def test_repr_of_a_net_without_a_batch():
    assert repr(netdef.parse("layer a: Parameter { shape { } }")) == "<Net '' test: 1 layer, 1 parameter>"


def test_running_statistics_are_counted_apart():
    text = "layer data: Input { shape { dim: [2, 4, 8, 8] } }"
    assert netdef.parse(f"{text} layer bn: BatchNorm(data)").totals.statistics == 2 * 4  # the divisor is no statistic
    scaled = netdef.parse(f"{text} layer bn: BatchNorm(data) layer scale: Scale(bn) {{ bias_term: true }}")
    assert repr(scaled) == "<Net '' test: batch 2; 3 layers, 8 parameters + 8 statistics>"


def test_repr_of_layers_has_shapes():
    net = netdef.parse(TEXT)
    assert [repr(layer) for layer in net.layers] == [
        "<Input data: data 2 x 4 x 8 x 8, label 2>",
        "<Convolution conv: data 2 x 4 x 8 x 8 -> conv 2 x 8 x 6 x 6>",
        "<ReLU relu: conv 2 x 8 x 6 x 6 -> conv@1 2 x 8 x 6 x 6>",
        "<InnerProduct fc: conv@1 2 x 8 x 6 x 6 -> fc 2 x 5>",
        "<SoftmaxWithLoss loss: fc 2 x 5, label 2 -> loss scalar>",
    ]
    assert repr(net.blobs["fc"]) == "<Blob fc 2 x 5>"
    assert repr(net.parameters[0]) == "<Parameter conv/0 8 x 4 x 3 x 3>"


def test_html_has_a_row_for_each_layer_and_escapes_names():
    net = netdef.parse(TEXT)
    page = net._repr_html_()
    assert page.count("<tr>") == len(net.layers) + 1
    assert "<td>8 x 4 x 3 x 3 + 8</td>" in page
    assert "small &lt;b&gt;" in page and "<b>" not in page


def test_public_names_are_listed():
    assert {"load", "parse", "Net", "Layer", "Blob", "NetdefError"} <= set(dir(netdef))
    assert all(getattr(netdef, name) for name in netdef.__all__)
