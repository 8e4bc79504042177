"""A net as a REPL and a notebook show it."""

import pydoc
import re
from types import SimpleNamespace

import pytest

import netdef
import runtime

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
    assert (
        page.startswith('<img style="max-width:100%" alt="&lt;Net &#x27;small &lt;b&gt;') and "data:image/svg+xml;base64," in page
    )
    assert "<td>8 x 4 x 3 x 3 + 8</td>" in page
    assert "small &lt;b&gt;" in page and "<b>" not in page


def test_a_net_that_cannot_be_drawn_has_its_table(monkeypatch):
    def no_library(*_):
        raise netdef.NetdefError("graphlay is <not> installed", hint="pip install graphlay")

    net = netdef.parse(TEXT)
    assert net._repr_html_().startswith("<img")
    monkeypatch.setattr("netdef.draw.notebook.render", no_library)
    page = net._repr_html_()
    assert page.startswith("<p>no drawing: graphlay is &lt;not&gt; installed (pip install graphlay)</p><details")


def test_a_table_has_whole_numbers():
    net = netdef.parse(TEXT)
    rows = net.table(frame=False)
    assert [row["layer"] for row in rows] == ["data", "conv", "relu", "fc", "loss"]
    assert rows[1] == {
        "layer": "conv", "type": "Convolution", "bottoms": ["data"], "tops": ["conv"], "shape": (2, 8, 6, 6), "parameters": 296,
        "statistics": 0, "macs": 10368, "activation_bytes": 2304,
    }  # fmt: skip
    assert sum(row["parameters"] for row in rows) == net.totals.parameters


def test_a_table_of_what_is_not_known():
    net = netdef.parse("layer data: Input { shape { dim: [1, 3] } }\nlayer x: Strange(data)")
    unknown = net.table(frame=False)[1]
    assert (unknown["shape"], unknown["parameters"], unknown["macs"]) == (None, None, None)


def test_a_table_is_a_frame_where_pandas_is(monkeypatch):
    """A stand-in for pandas says what is asked of it."""

    class Frame(list):
        @classmethod
        def from_records(cls, records):
            return cls(records)

        def __contains__(self, name):
            return name in self[0]

        def astype(self, types):
            self.types = types
            return self

    monkeypatch.setattr("netdef.language.records.find_spec", lambda name: name == "pandas")
    monkeypatch.setattr("netdef.language.records.import_module", lambda name: SimpleNamespace(DataFrame=Frame))
    net = netdef.parse(TEXT)
    frame = net.table()
    assert frame.types == dict.fromkeys(("parameters", "statistics", "macs", "activation_bytes"), "Int64") and len(frame) == 5
    monkeypatch.setattr("netdef.language.records.find_spec", lambda name: None)
    assert isinstance(net.table(), list) and not isinstance(net.table(), Frame)
    with pytest.raises(netdef.NetdefError, match="a DataFrame takes pandas"):
        net.table(frame=True)


def test_help_shows_the_api():
    for package in (netdef, runtime):
        assert dir(package) == package.__all__
        shown = pydoc.plain(pydoc.render_doc(package))
        assert [name for name in package.__all__ if not re.search(rf"^    (class )?{name}\b", shown, re.MULTILINE)] == []


def test_public_names_are_listed():
    assert {"load", "parse", "Net", "Layer", "Blob", "NetdefError"} <= set(dir(netdef))
    assert all(getattr(netdef, name) for name in netdef.__all__)
