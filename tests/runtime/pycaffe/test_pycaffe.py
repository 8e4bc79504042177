"""caffe's own names: types, settings, pictures, clocks, and what is not there."""

import subprocess
import sys

import numpy as np
import pytest
from google.protobuf import text_format

from netdef.language.diagnostics import NetdefError
from runtime import pycaffe as caffe
from runtime.pycaffe.settings import PycaffeRemark, settings
from tests.paths import ROOT
from tests.runtime.pycaffe.nets import SIMPLE, written


def test_layer_types():
    assert {"Data", "Convolution", "InnerProduct", "Python"} <= {*caffe.layer_type_list()}


def test_it_has_the_names_of_caffe():
    code = (
        "import netdef.pycaffe as caffe, netdef.pycaffe.io, netdef.pycaffe.draw\n"
        "from netdef.pycaffe.proto import caffe_pb2\nfrom netdef.pycaffe.coord_map import crop\n"
        "from netdef.pycaffe.pycaffe import Net\nfrom netdef.pycaffe._caffe import Net as N\n"
        "import runtime.pycaffe\nprint(caffe is runtime.pycaffe, Net is N is caffe.Net, caffe.io is netdef.pycaffe.io)"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout == "True True True\n"


def test_what_is_not_there_says_so():
    with pytest.raises(NotImplementedError, match=r"caffe.NCCL: netdef's pycaffe has none; `netdef train"):
        _ = caffe.NCCL
    assert not hasattr(caffe, "NCCL")
    with pytest.raises(AttributeError, match=r"caffe.Nett: neither pycaffe nor netdef has it"):
        _ = caffe.Nett
    with pytest.raises(NotImplementedError, match="netdef draws without pydot"):
        caffe.draw.get_pydot_graph(None, "LR")
    for setter, value in ((caffe.set_solver_count, 2), (caffe.set_solver_rank, 1), (caffe.set_multiprocess, True)):
        with pytest.raises(NetdefError, match="trains in one process"):
            setter(value)
    assert (caffe.solver_count(), caffe.solver_rank(), caffe.has_nccl()) == (1, 0, False)


def test_seeds(tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "seed", None)
    file = written(tmp_path, SIMPLE)

    def weights():
        return caffe.Net(file, caffe.TEST).params["ip"][0].data.copy()

    caffe.set_random_seed(4)
    first, second = weights(), weights()
    caffe.set_random_seed(np.int64(4))
    assert np.array_equal(weights(), first) and not np.array_equal(first, second)
    for wrong in (-1, "4", 1 << 32):
        with pytest.raises(NetdefError, match="expected a whole number from 0 to 4294967295"):
            caffe.set_random_seed(wrong)
    with pytest.raises(NetdefError, match="expected the number of a GPU"):
        caffe.set_device(-1)


def test_without_a_card_the_cpu_computes(tmp_path, monkeypatch):
    monkeypatch.setattr("runtime.pycaffe.settings.default_devices", lambda card: type("C", (), {"devices": "cpu", "why": ""})())
    caffe.set_device(3)
    caffe.set_mode_gpu()
    with pytest.warns(PycaffeRemark, match="there is no GPU 3; the CPU computes"):
        net = caffe.Net(written(tmp_path, SIMPLE), caffe.TEST)
    assert net._engine.executable.device.name == "cpu:0" and not settings.on_gpu
    caffe.set_device(0)


def test_pictures(tmp_path):
    net = caffe.proto.caffe_pb2.NetParameter(name="spec")
    net.MergeFrom(caffe.layers.ReLU(caffe.layers.Input(shape={"dim": [1, 2]})).to_proto())
    assert b"<svg" in caffe.draw.draw_net(net, "TB", "svg")
    assert b"rankdir=LR" in caffe.draw.draw_net(net, "LR", "raw", phase=caffe.TRAIN)
    caffe.draw.draw_net_to_file(net, str(tmp_path / "net.svg"))
    assert (tmp_path / "net.svg").stat().st_size > 1000
    for wrong, error in ((("XX", "svg"), "is no direction"), (("LR", "pdf"), "makes no pdf files")):
        with pytest.raises(NetdefError, match=error):
            caffe.draw.draw_net(net, *wrong)
    net.layer[0].input_param.shape[0].dim.extend([4, 4])
    net.MergeFrom(caffe.proto.caffe_pb2.NetParameter(layer=[{"name": "conv", "type": "Convolution", "bottom": ["ReLU1"]}]))
    net.layer[2].top.append("conv")
    net.layer[2].convolution_param.MergeFrom(type(net.layer[2].convolution_param)(num_output=2, kernel_size=[3]))
    net.layer[2].param.add(lr_mult=3)
    for form in ("svg", "raw"):
        assert b"lr_mult 3, 1" in caffe.draw.draw_net(net, "LR", form, display_lrm=True)
        assert b"lr_mult" not in caffe.draw.draw_net(net, "LR", form)


def test_messages_and_clocks(capsys):
    caffe.init_log()
    caffe.log("seen")
    caffe.init_log(2)
    caffe.log("not seen")
    caffe.init_log(0, True)
    assert capsys.readouterr().err == "seen\n"
    with pytest.raises(NotImplementedError, match="to stderr only"):
        caffe.init_log(0, False)
    timer = caffe.Timer()
    timer.start()
    timer.stop()
    assert timer.ms >= 0


def test_label_map():
    """As SSD's notebook reads it."""
    found = caffe.proto.caffe_pb2.LabelMap()
    text_format.Merge('item { name: "none_of_the_above" label: 0 display_name: "background" } item { label: 1 }', found)
    assert [(one.label, one.display_name) for one in found.item] == [(0, "background"), (1, "")]
