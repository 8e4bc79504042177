"""The PyTorch module of a net: Python that compiles, a state_dict for it, and netdef's numbers where PyTorch is installed."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from netdef import NetdefError, load, parse
from netdef.cli.main import run
from runtime.exchange.arrays import read_safetensors
from runtime.exchange.deployed import deployed
from runtime.exchange.torch_out.lines import identifier
from runtime.exchange.torch_out.module import blank, lines_of, text_of
from tests.runtime.exchange.nets import compiled

NET = """name: "two towers/3"
layer data: Input -> data { shape { dim: [2, 4, 13, 12] } }
layer conv1/7x7: Convolution(data) -> conv1 { num_output: 8 kernel_h: 3 kernel_w: 5 stride: 2 pad_h: 1 pad_w: 2 group: 2 }
layer relu1: ReLU(conv1) -> conv1
layer norm1: LRN(conv1) { local_size: 3 alpha: 0.5 k: 2 group: 2 }
layer within: LRN(norm1) { local_size: 3 alpha: 0.5 norm_region: WITHIN_CHANNEL }
layer pool1: Pooling(within) { kernel_size: 3 stride: 2 pad: 1 }
layer ave: Pooling(within) { pool: AVE kernel_size: 3 stride: 2 pad: 1 }
layer both: Concat(pool1, ave)
layer bn: BatchNorm(both)
layer scale: Scale(bn) -> bn { bias_term: true }
layer alone: BatchNorm(both)
layer spread: Scale(alone) { axis: 2 num_axes: 2 }
layer slope: PReLU(spread)
layer up: Deconvolution(bn) { num_output: 16 kernel_size: 2 stride: 2 bias_term: false }
layer crop: Crop(up, slope) { axis: 2 offset: 1 }
layer sum: Eltwise(crop, slope) { operation: SUM coeff: [1, -0.5] }
layer largest: Eltwise(crop, slope, sum) { operation: MAX }
layer parts: Slice(largest) -> a, b { slice_point: 6 }
layer sig: Sigmoid(a)
layer squashed: TanH(b)
layer joined: Concat(sig, squashed)
layer shuffled: ShuffleChannel(joined) { group: 2 }
layer turned: Permute(shuffled) { order: [0, 2, 3, 1] }
layer unit: Normalize(shuffled) { across_spatial: false }
layer whitened: MVN(unit)
layer resized: Interp(whitened) { height: 5 width: 4 }
layer whole: Pooling(resized) { pool: AVE global_pooling: true }
layer flat: Flatten(whole)
layer fc: InnerProduct(flat) { num_output: 5 }
layer fc2: InnerProduct(turned) { num_output: 5 transpose: true }
layer power: Power(fc2) { power: 2 scale: 0.5 shift: 1 }
layer drop: Dropout(fc) -> fc
layer class: Eltwise(fc, power)
layer prob: Softmax(class)
"""


@pytest.fixture
def exported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.net").write_text(NET)
    with compiled(parse(NET, phase="test")) as exe:
        draws = np.random.default_rng(0)
        for one in exe.net.parameters:
            if one.layer.type != "BatchNorm":
                exe.set_param(one.layer.name, one.index, draws.normal(0, 0.3, one.shape))
        exe.save_weights("a.caffemodel")
    assert run(["export", "a.net", "--weights", "a.caffemodel", "-o", "out", "--to", "torch"]) == 0
    return Path("out")


def test_a_line_a_layer(exported):
    text = (exported / "model.py").read_text()
    tree = ast.parse(text)
    module = next(one for one in tree.body if isinstance(one, ast.ClassDef))
    assert module.name == "two_towers_3"
    made, forward = (one for one in module.body if isinstance(one, ast.FunctionDef))
    assert [one.arg for one in forward.args.args] == ["self", "data"]
    assert "self.conv1_7x7 = nn.Conv2d(4, 8, (3, 5), stride=2, padding=(1, 2), groups=2)" in text
    assert "conv1 = F.relu(conv1)" in text
    assert 'return {"prob": prob, "class": _class}' in text
    layers = [layer for layer in parse(NET, phase="test").layers if layer.type not in ("Input", "Scale")]
    assert len(forward.body) - 1 == len(layers) + 1  # one Scale is part of a BatchNorm's module
    names = [one.targets[0].attr for one in made.body[1:]]
    assert len(names) == len(set(names))
    keys = {key.split(".")[0] for key in read_safetensors(exported / "model.safetensors")}
    assert keys == set(names)
    ast.parse((exported / "check.py").read_text())
    with np.load(exported / "check.npz") as numbers:
        assert set(numbers) == {"in/data", "out/prob", "out/class"}


@pytest.mark.skipif(find_spec("torch") is None, reason="PyTorch is not installed")
def test_netdefs_numbers(exported):
    done = subprocess.run([sys.executable, exported / "check.py"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_models():
    for name in ("alexnet", "googlenet", "mobilenet_v2", "squeezenet_v1.1"):
        lines = lines_of(deployed(load(name, phase="test", batch_size=1)).net, blank)
        ast.parse(text_of(lines))


def test_all_layers_without_a_line_at_once(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("x.net").write_text(
        "layer data: Input -> data, rois { shape { dim: [1, 4, 9, 9] } shape { dim: [2, 5] } }\n"
        "layer spp: SPP(data) { pyramid_height: 2 }\n"
        "layer roi: ROIPooling(data, rois) { pooled_h: 2 pooled_w: 2 }\n"
        "layer ip: InnerProduct(data) { num_output: 2 }\n"
    )
    with compiled(parse(Path("x.net").read_text(), phase="test")) as exe:
        exe.save_weights("w.caffemodel")
    assert run(["export", "x.net", "--weights", "w.caffemodel", "-o", "out", "--to", "torch"]) == 2
    said = capsys.readouterr().err
    assert "x.net:2:12: error: SPP spp: it cannot be exported to PyTorch" in said
    assert "x.net:3:12: error: ROIPooling roi" in said
    assert not Path("out").exists()
    Path("full").mkdir()
    Path("full/thesis.txt").touch()
    assert run(["export", "x.net", "--weights", "w.caffemodel", "-o", "full", "--to", "torch"]) == 2
    assert "full has other files: thesis.txt" in capsys.readouterr().err


DATA = 'name: "json" layer data: Input -> "it\'s" { shape { dim: [2, 3] } } '


def test_names_and_dropout_of_a_module():
    text = text_of(
        lines_of(
            parse(DATA + 'layer drop: Dropout("it\'s") -> "y\'s" { scale_train: false dropout_ratio: 0.25 }', phase="test"), blank
        )
    )
    ast.parse(text)
    assert "class json_2(" in text
    assert '"y\'s": ' in text
    assert "* 0.75" in text


@pytest.mark.parametrize(("layer", "said"), [('MVN("it\'s")', "no axis to take a mean"), ('Dropout("it\'s")', "in phase train")])
def test_layers_that_no_line_can_say(layer, said):
    with pytest.raises(NetdefError, match=said):
        lines_of(parse(f"{DATA} layer one: {layer}", phase="train"), blank)


@pytest.mark.parametrize(
    ("name", "python"), [("conv2/3x3", "conv2_3x3"), ("5a", "_5a"), ("class", "_class"), ("self", "self_2"), ("ü", "_"), ("", "_")]
)
def test_names_of_python(name, python):
    assert identifier(name, {"self"}) == python
