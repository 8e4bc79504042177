"""The PyTorch module of a net: Python that compiles, a state_dict for it, and netdef's numbers where PyTorch is installed."""

from __future__ import annotations

import ast
import builtins
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from netdef import NetdefError, load, parse
from netdef.cli.main import run
from netdef.graph.layer import LAYERS
from runtime.exchange.arrays import read_safetensors
from runtime.exchange.deployed import deployed
from runtime.exchange.torch_out.calls import functions
from runtime.exchange.torch_out.formulas import TORCH
from runtime.exchange.torch_out.lines import RULES, identifier, number
from runtime.exchange.torch_out.module import blank, export_torch, lines_of, text_of
from runtime.ops.registry import runnable_types
from tests.runtime.exchange.nets import compiled, every_kind

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


def checked(folder):
    done = subprocess.run([sys.executable, folder / "check.py"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="PyTorch is not installed")


@needs_torch
def test_netdefs_numbers(exported):
    checked(exported)


@needs_torch
def test_numbers_of_every_kind_of_layer(tmp_path):
    with compiled(deployed(every_kind()).net, keep="activations") as exe:
        export_torch(str(tmp_path / "out"), exe)
    checked(tmp_path / "out")


@pytest.mark.parametrize("name", ["alexnet", "faster_rcnn_vgg16", "fcn8s", "lrcn", "mobilenet_v2", "ssd300_vgg16"])
def test_models(name):
    """The text calls only what it has."""
    lines = lines_of(deployed(load(name, phase="test", batch_size=1 if name != "lrcn" else None)).net, blank)
    tree = ast.parse(text_of(lines))
    made = {one.name for one in tree.body if isinstance(one, ast.FunctionDef)}
    called = {one.func.id for one in ast.walk(tree) if isinstance(one, ast.Call) and isinstance(one.func, ast.Name)}
    assert lines.calls <= made <= set(functions()) | {"read_weights", "load"}
    assert called & set(functions()) <= made


def free_names(tree):
    """Names that a module reads and nothing in it, nor Python, makes."""
    made = set(dir(builtins)) | {"__file__", "__name__"}
    for one in ast.walk(tree):
        match one:
            case ast.Name(ctx=ast.Store()):
                made.add(one.id)
            case ast.arg():
                made.add(one.arg)
            case ast.FunctionDef() | ast.ClassDef():
                made.add(one.name)
            case ast.alias():
                made.add((one.asname or one.name).partition(".")[0])
    return {one.id for one in ast.walk(tree) if isinstance(one, ast.Name)} - made


INFINITE = """layer data: Input { shape { dim: [2, 3] } }
layer clip: Clip(data) { min: -inf max: inf }
layer above: Threshold(clip) { threshold: -inf }
layer power: Power(above) { power: -inf scale: inf shift: nan }
layer elu: ELU(power) { alpha: inf }
layer leaky: ReLU(elu) { negative_slope: -inf }
layer exp: Exp(leaky) { base: 2 scale: inf }
layer filled: DummyData { dummy_data_param { shape { dim: [2, 3] } data_filler { type: "constant" value: inf } } }
layer sum: Eltwise(exp, filled)
"""


@pytest.mark.parametrize("net", [every_kind, lambda: parse(INFINITE, phase="test")], ids=["every kind", "infinite"])
def test_a_module_reads_only_names_that_it_has(net):
    """Also numbers of float32 where PyTorch would make whole ones."""
    tree = ast.parse(text_of(lines_of(deployed(net()).net, blank)))
    assert free_names(tree) == set()
    full = [one for one in ast.walk(tree) if isinstance(one, ast.Call) and ast.unparse(one.func) == "torch.full"]
    assert full and all("dtype" in [word.arg for word in one.keywords] for one in full)


@pytest.mark.parametrize(
    ("value", "text"), [(6, "6.0"), (0.1, "0.1"), (1e-5, "1e-05"), (-np.inf, "-torch.inf"), (np.nan, "torch.nan")]
)
def test_numbers_of_python(value, text):
    assert number(value) == text


def test_numbers_in_formulas():
    assert TORCH.text(ast.BinOp(ast.Constant(-2.0), ast.Pow(), ast.Name("x"))) == "((-2.0) ** x)"
    assert TORCH.text(ast.BinOp(ast.Name("x"), ast.Add(), ast.Constant(-np.inf))) == "(x + (-torch.inf))"


def test_every_type_that_runs_has_a_line():
    missing = {name for name in runnable_types() if name not in RULES}
    left_out = {name for name in missing if is_left_out(LAYERS[name])}
    assert missing - left_out == {"BoxAnnotatorOHEM"}


def is_left_out(kind):
    """Whether an exported net has no such layer: it reports, is silent, or reads data."""
    return kind.is_loss or kind.is_accuracy or kind.is_source or kind.tops_allowed == (0, 0) or kind.is_report


def test_all_layers_without_a_line_at_once(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("x.net").write_text(
        "layer data: Input -> data { shape { dim: [1, 4, 9, 9] } }\n"
        "layer far: Pooling(data) { pool: MAX kernel_size: 1 stride: 5 }\n"
        "layer own: MyOwn(data)\n"
        "layer ip: InnerProduct(data) { num_output: 2 axis: 1 }\n"
        "layer odd: Convolution(data) { num_output: 2 kernel_size: 3 axis: 2 }\n"
    )
    Path("w.caffemodel").touch()
    assert run(["export", "x.net", "--weights", "w.caffemodel", "-o", "out", "--to", "torch"]) == 2
    said = capsys.readouterr().err
    assert "x.net:3:12: error: MyOwn own: it cannot be exported to PyTorch: no rule writes a MyOwn" in said
    assert "x.net:5:" in said and "Convolution odd" in said
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
