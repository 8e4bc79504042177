"""What train, test and predict say of weights that do not fill the net, are something else, or lead to numbers that are none."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import netdef
import runtime
from netdef.cli.main import run
from netdef.weights import read_weights
from tests.netdef.cli import levels

IMAGE = "digits/bee/0.png"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    levels.make(tmp_path, ["ant", "bee"])
    return tmp_path


def commands(weights, *more):
    """Testing and predicting with these weights."""
    return [
        ["test", "levels.net", "--weights", weights, *more],
        ["predict", "deploy.net", IMAGE, "--weights", weights, *more],
    ]


def with_another_layer():
    """Nets that have a layer more than the weights."""
    for name in ("levels.net", "deploy.net"):
        text = Path(name).read_text().replace("(fc", "(fc2")
        at = text.index("layer loss" if "layer loss" in text else "layer prob")
        Path(name).write_text(f"{text[:at]}layer fc2: InnerProduct(fc) {{ num_output: 2 }}\n{text[at:]}")


def test_layers_that_are_missing_from_the_file_are_an_error(folder, capsys):
    with_another_layer()
    for arguments in commands("w.caffemodel"):
        assert run(arguments) == 2
        captured = capsys.readouterr()
        assert "error: w.caffemodel: no weights for 1 layer of the net: fc2\n    --allow-missing" in captured.err
        assert "%" not in captured.out


def test_layers_that_may_be_missing_are_said(folder, capsys):
    with_another_layer()
    for arguments in commands("w.caffemodel", "--allow-missing"):
        assert run(arguments) == 0
        captured = capsys.readouterr()
        assert "note: w.caffemodel: no weights for 1 layer: fc2; what their fillers gave stays" in captured.err
        assert "%" in captured.out
    assert run(["train", "levels.net", "solver.txt", "--weights", "w.caffemodel", "--iterations", "0"]) == 0
    assert "w.caffemodel: no weights for 1 layer: fc2; what their fillers gave stays" in capsys.readouterr().out


def test_a_solvers_own_weights_may_lack_no_layer(folder, capsys):
    """As test's; --weights, which replaces them, may."""
    with_another_layer()
    Path("solver.txt").write_text(Path("solver.txt").read_text() + 'weights: "w.caffemodel"')
    train = ["train", "levels.net", "solver.txt", "--iterations", "0"]
    assert run(train) == 2
    assert "error: w.caffemodel: no weights for 1 layer of the net: fc2\n    --allow-missing" in capsys.readouterr().err
    assert not list(Path("runs").glob("*"))
    said = "w.caffemodel: no weights for 1 layer: fc2; what their fillers gave stays"
    assert run([*train, "--allow-missing", "--out", "a"]) == 0
    assert said in capsys.readouterr().out
    for again in (["a"], ["a", "--weights", "w.caffemodel"]):  # what the first run was allowed holds for the same again
        assert run(["train", *again]) == 0
        out = capsys.readouterr().out
        assert said in out and "weights of 1 layer from" in out
    no_effect = "--allow-missing has no effect"
    for more in (["--weights", "w.caffemodel"], ["--resume", "a"]):
        assert run([*train, *more, "--allow-missing"]) == 0
        out = capsys.readouterr().out
        assert no_effect in out and (said in out) == (more[0] == "--weights")


def test_a_net_without_fillers_that_is_given_no_weights(folder, capsys):
    """`check` takes it for one that starts from weights; without them it learns nothing."""
    text = (
        Path("levels.net")
        .read_text()
        .replace("SoftmaxWithLoss(fc,", "SoftmaxWithLoss(fc5,")
        .replace("Accuracy(fc,", "Accuracy(fc5,")
    )
    names = ["fc", *(f"fc{number}" for number in range(2, 6))]
    more = "".join(f"layer {b}: InnerProduct({a}) {{ num_output: 2 }}\n" for a, b in pairwise(names))
    at = text.index("layer loss")
    Path("levels.net").write_text(text[:at] + more + text[at:])
    said = "warning: no layer has a weight_filler and no weights are given: all weights of fc, fc2, fc3, fc4, fc5 start at 0"
    train = ["train", "levels.net", "solver.txt", "--iterations", "0"]
    assert run(train) == 0
    assert said in capsys.readouterr().out
    assert run([*train, "--weights", "w.caffemodel"]) == 0
    assert said not in capsys.readouterr().out


def test_the_directory_of_a_run_stands_for_its_last_weights(folder, capsys):
    Path("solver.txt").write_text(Path("solver.txt").read_text() + " snapshot: 2")
    assert run(["train", "levels.net", "solver.txt", "--weights", "w.caffemodel", "--iterations", "4", "--out", "a"]) == 0
    with runtime.compile(netdef.load("deploy.net"), backward=False) as executable:
        loaded = executable.load_weights("a")
        assert [Path(file) for file in loaded.files] == [Path("a/levels_iter_4.caffemodel")]
        np.testing.assert_array_equal(executable.param("fc", 0), read_weights("a/levels_iter_4.caffemodel")["fc"][0])
        Path("empty").mkdir()
        with pytest.raises(netdef.NetdefError, match="there is no snapshot under empty"):
            executable.load_weights(["w.caffemodel", "empty"])
    Path("solver.txt").write_text(Path("solver.txt").read_text() + ' weights: "a"')
    capsys.readouterr()
    assert run(["train", "levels.net", "solver.txt", "--iterations", "0"]) == 0
    assert "weights of 1 layer from a/levels_iter_4.caffemodel" in capsys.readouterr().out


def test_two_files_fill_a_net(folder, capsys):
    with_another_layer()
    Path("more.net").write_text("layer fc: Input { shape { dim: [1, 2] } }\nlayer fc2: InnerProduct(fc) { num_output: 2 }")
    with runtime.compile(netdef.load("more.net"), backward=False) as executable:
        executable.set_param("fc2", 0, np.eye(2))
        executable.save_weights("more.caffemodel")
    for arguments in commands("w.caffemodel,more.caffemodel"):
        assert run(arguments) == 0
        captured = capsys.readouterr()
        assert "100.00%" in captured.out and "no weights" not in captured.err
    assert run(commands("w.caffemodel,")[0]) == 2
    assert "a name is empty" in capsys.readouterr().err


def test_extra_layers_are_one_line_in_every_command(folder, capsys):
    with_another_layer()
    with runtime.compile(netdef.load("deploy.net"), backward=False) as executable:
        executable.load_weights("w.caffemodel", allow_missing=True, say=lambda text: None)
        executable.save_weights("more.caffemodel")
    levels.make(Path("again"), ["ant", "bee"])
    for name in ("levels.net", "deploy.net"):
        Path(name).write_text(Path(f"again/{name}").read_text())
    line = "more.caffemodel: 1 layer that the net does not have: fc2\n"
    for arguments in commands("more.caffemodel"):
        assert run(arguments) == 0
        assert capsys.readouterr().err.count(f"note: {line}") == 1
    assert run(["train", "levels.net", "solver.txt", "--weights", "more.caffemodel", "--iterations", "0"]) == 0
    assert capsys.readouterr().out.count(line) == 1


def test_numbers_that_are_not_finite_are_an_error_in_every_command(folder, capsys):
    with runtime.compile(netdef.load("deploy.net"), backward=False) as executable:
        executable.set_param("fc", 0, [[np.nan], [1]])
        executable.save_weights("nan.caffemodel")
    train = ["train", "levels.net", "solver.txt", "--weights", "nan.caffemodel", "--iterations", "0"]
    for arguments in [*commands("nan.caffemodel"), train, ["diff", "deploy.net", "nan.caffemodel"]]:
        assert run(arguments) == 2
        captured = capsys.readouterr()
        assert "nan.caffemodel holds numbers that are not finite, in\n  fc/0 (2 x 1): 1 NaN of 2\n" in captured.err
        assert "nan%" not in captured.out
    assert not list(Path("runs").glob("*/*")) if Path("runs").exists() else True


@pytest.mark.parametrize("name", ["levels.net", "pointer.caffemodel", "labelmap.prototxt"])
def test_files_of_another_kind_are_named_in_every_command(folder, capsys, name):
    Path("pointer.caffemodel").write_text("version https://git-lfs.github.com/spec/v1\n")
    Path("labelmap.prototxt").write_text('item { name: "background" label: 0 }')
    form = {"levels.net": "a net in text", "pointer.caffemodel": "a pointer of Git LFS", "labelmap.prototxt": "a label map"}[name]
    train = ["train", "levels.net", "solver.txt", "--weights", name, "--iterations", "0"]
    for arguments in [*commands(name), train]:
        assert run(arguments) == 2
        assert f"{name} holds no weights: it is {form}" in capsys.readouterr().err


def test_a_result_that_is_not_finite_is_an_error_that_names_the_layer(folder, capsys):
    """The weights are finite; what they make of the images is not."""
    with runtime.compile(netdef.load("deploy.net"), backward=False) as executable:
        executable.set_param("fc", 0, np.full((2, 1), 3e38))
        executable.save_weights("large.caffemodel")
    said = ["loss is nan in batch 1 of the test", "prob of digits/bee/0.png is not finite"]
    for arguments, text in zip(commands("large.caffemodel"), said, strict=True):
        assert run(arguments) == 2
        captured = capsys.readouterr()
        assert f"error: {text}: the first output that is not finite is of cpu:0, inner_product of layer fc\n" in captured.err
        assert "nan" not in captured.out
    assert run(["train", "levels.net", "solver.txt", "--weights", "large.caffemodel", "--out", "run"]) == 2
    captured = capsys.readouterr()
    origin = "the first output that is not finite is of cpu:0, inner_product of layer fc"
    assert f"loss is nan in batch 1 of the test: {origin}, at iteration 0" in captured.err
    assert "loss nan" not in captured.out


def test_a_test_in_training_whose_loss_is_not_finite_loses_nothing(folder, capsys):
    """Only the test net subtracts a mean that makes infinite numbers."""
    data, rest = Path("levels.net").read_text().split("layer mean", 1)
    test_data = data.replace("mean_value: 0", "mean_value: -3e38")
    nets = [text.strip().removeprefix('name: "levels"\n') for text in (data, test_data)]
    Path("levels.net").write_text(f"train {nets[0]}\ntest {nets[1]}\nlayer mean{rest}")
    solver = Path("solver.txt").read_text()
    Path("solver.txt").write_text(solver.replace("test_interval: 10", "test_interval: 4 test_initialization: false"))
    assert run(["train", "levels.net", "solver.txt", "--weights", "w.caffemodel", "--out", "run"]) == 2
    captured = capsys.readouterr()
    assert "not finite is of cpu:0, pool_ave_forward of layer mean, at iteration 4" in captured.err
    assert "loss nan" not in captured.out and "loss inf" not in captured.out
    assert Path("run/levels_iter_4.solverstate").exists()
