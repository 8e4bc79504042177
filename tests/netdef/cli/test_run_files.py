"""A run's directory says what the run was made of, and is an argument of the other commands."""

import json
import os
import shutil
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import netdef
from netdef import NetdefError, only_inside
from netdef.cli.main import run
from netdef.cli.run_files import net_text, options_of_run
from netdef.cli.train_options import Options
from netdef.cli.train_ranks import without_lost_nodes
from netdef.language.diagnostics import Remark
from netdef.weights import read_weights
from runtime.solver.log import read_log
from tests.netdef.cli import images


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two runs that are alike but for the command line, the second of them from within another folder."""
    folder = tmp_path_factory.mktemp("described")
    images.make(folder)
    (folder / "inner").mkdir()
    patch = pytest.MonkeyPatch()
    patch.chdir(folder)
    # The net is in another folder than the run and the command: its paths start at its own folder.
    assert run(["train", "shades.net", "solver.txt", "--out", "a", "--iterations", "6"]) == 0
    patch.chdir(folder / "inner")
    more = ["--set", "drop.dropout_ratio=0.5", "--batch", "3", "--iterations", "4", "--weights", "../a"]
    assert run(["train", "../shades.net", "../solver.txt", "--out", "../b", *more]) == 0
    patch.undo()
    return folder


@pytest.fixture
def folder(trained, monkeypatch):
    monkeypatch.chdir(trained)
    return trained


@pytest.mark.parametrize("phase", ["train", "test"])
def test_the_net_is_that_of_the_run_in_both_phases(folder, phase, monkeypatch):
    """With what the command line changed, and with files that are found from anywhere."""
    net, own = netdef.load("b/net.net", phase), netdef.load("shades.net", phase)
    assert [layer.type for layer in net.layers] == [layer.type for layer in own.layers]
    assert net.layer("drop").p.dropout_ratio == 0.5
    assert net.batch == (3 if phase == "train" else 4)
    assert net.layers[0].source == str(folder / "images")
    monkeypatch.chdir("/")
    assert netdef.load(folder / "b", phase).name == "shades"


def test_the_solver_trains_the_same_again(folder):
    assert run(["train", "a", "--out", "again"]) == 0
    same_weights("a/shades_iter_6.caffemodel", "again/shades_iter_6.caffemodel")


def test_a_run_that_began_with_weights_begins_with_them_again(folder):
    assert run(["train", "b", "--out", "again-b"]) == 0
    same_weights("b/shades_iter_4.caffemodel", "again-b/shades_iter_4.caffemodel")


def test_a_run_that_began_with_weights_and_left_no_snapshot_begins_with_them_again(folder):
    shutil.copytree("b", "cut")
    for path in Path("cut").glob("*_iter_*"):
        path.unlink()
    log = Path("cut/log.jsonl")
    log.write_text(log.read_text().splitlines(keepends=True)[0])
    assert run(["train", "cut", "--resume", "latest"]) == 0
    same_weights("b/shades_iter_4.caffemodel", "cut/shades_iter_4.caffemodel")


def same_weights(*paths):
    one, two = map(read_weights, paths)
    assert [*one] == [*two]
    for name, arrays in one.items():
        np.testing.assert_array_equal(arrays[0], two[name][0])


def test_the_command_its_weights_and_the_versions(folder):
    (start,) = json.loads(Path("b/run.json").read_text())["starts"]
    assert start["command"] == (
        "netdef train ../shades.net ../solver.txt --set drop.dropout_ratio=0.5 --iterations 4 --out ../b --batch 3 "
        "--weights ../a/shades_iter_6.caffemodel"
    )
    assert start["directory"] == str(folder / "inner")
    assert start["seed"] == 3
    assert {"python", "numpy", "numba"} <= start["versions"].keys()


def test_a_resumed_run_adds_its_start(folder):
    assert run(["train", "shades.net", "solver.txt", "--out", "a", "--iterations", "7", "--resume", "latest"]) == 0
    first, second = json.loads(Path("a/run.json").read_text())["starts"]
    assert first["resumed"] is None
    assert second["resumed"] == "a/shades_iter_6.solverstate"


def test_a_run_with_other_data_is_trained_on_them_again(folder):
    """The images that --data kept for testing are kept again; the run goes on in its directory, as if it had not stopped."""
    data = ["--data", "images", "--out", "c"]
    assert run(["train", "shades.net", "solver.txt", *data, "--iterations", "4"]) == 0
    assert run(["train", "c", "--out", "d", "--iterations", "6"]) == 0
    assert json.loads(Path("d/shades_iter_6.netdef.json").read_text())["hold_out"] == 5
    assert run(["train", "c", "--resume", "latest", "--iterations", "6"]) == 0
    same_weights("c/shades_iter_6.caffemodel", "d/shades_iter_6.caffemodel")
    assert run(["train", "c"]) == 0
    assert Path("runs/shades-1/shades_iter_6.caffemodel").exists()


@pytest.mark.parametrize(
    ("given", "used"), [(["--set", "solver.test_iter=1"], [1]), ([], []), (["--set", "solver.test_interval=0"], [])]
)
def test_a_run_with_other_data_is_tested_again_on_as_many_of_them(folder, given, used, tmp_path):
    """test_iter counts there where it was given with --data; else its solver does not have it, and it is tested whole."""
    first, second, third = (str(tmp_path / name) for name in "abc")
    assert run(["train", "shades.net", "solver.txt", "--data", "images", *given, "--iterations", "1", "--out", first]) == 0
    assert run(["train", first, "--out", second]) == 0
    assert run(["train", second, "--out", third]) == 0
    for out in (first, second, third):
        assert [*netdef.load_solver(f"{out}/solver.txt").message.test_iter] == used
    tests = [[record["loss"] for record in read_log(out) if record["event"] == "test"] for out in (first, second, third)]
    assert tests[0] == tests[1] == tests[2] and tests[0]
    assert run(["train", second, "--data", "images", "--out", str(tmp_path / "d")]) == 0
    assert [*netdef.load_solver(tmp_path / "d/solver.txt").message.test_iter] == []


def test_a_run_on_several_devices_is_divided_so_again(folder, capsys):
    two = ["--devices", "cpu:0,cpu:0", "--iterations", "2"]
    assert run(["train", "shades.net", "solver.txt", "--out", "halves", "--split", "batch", *two]) == 0
    assert run(["train", "halves", "--out", "halves-again", *two]) == 0
    for made in ("halves", "halves-again"):
        assert json.loads(Path(made, "shades_iter_2.netdef.json").read_text())["split"] == "batch"
    same_weights("halves/shades_iter_2.caffemodel", "halves-again/shades_iter_2.caffemodel")
    capsys.readouterr()
    assert run(["train", "shades.net", "solver.txt", "--out", "halves", "--resume", "latest", *two]) == 0
    assert "note: the snapshot's run had --split batch, this one has groups" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("devices", "size", "given"),
    [
        ("cpu", 1, {}),  # notes about options that nobody gave would come
        ("gpu:0", 1, {}),
        ("cpu", 4, {"split": "hybrid", "nodes": 2, "gradients": "bf16"}),
        ("cpu:0,cpu:1", 1, {"split": "hybrid", "nodes": 2}),
        ("cpu", 3, {"split": "hybrid", "gradients": "bf16"}),
        ("gpu:0", 4, {"split": "hybrid", "nodes": 2, "gradients": "bf16"}),
    ],
)
def test_what_a_run_gives_where_it_can_be_used(tmp_path, devices, size, given):
    start = {"split": "hybrid", "nodes": 2, "gradients": "bf16"}
    (tmp_path / "run.json").write_text(json.dumps({"starts": [start]}))
    ranks = SimpleNamespace(size=size) if size > 1 else None
    assert options_of_run(str(tmp_path), Options(), devices, ranks) == Options(**given)
    asked = Options(split="batch", gradients="fp32")
    assert options_of_run(str(tmp_path), asked, devices, ranks) == asked


@pytest.mark.parametrize("field", ["data", "weights"])
def test_what_a_record_names_outside_of_the_run(field, tmp_path, monkeypatch):
    """The record is a file of the run, whoever wrote it; --data and --weights are the caller's."""
    monkeypatch.chdir(tmp_path)
    for name in ("run/inner", "else"):
        Path(name).mkdir(parents=True)
    record, says = Path("run/run.json"), rf"run\.json: {field} of its first start leads to .*else, outside of run"
    record.write_text(json.dumps({"starts": [{field: "else", "directory": str(tmp_path)}]}))
    with pytest.warns(Remark, match=says):
        assert getattr(options_of_run("run", Options(), "cpu"), field) == str(tmp_path / "else")
    with only_inside(), pytest.raises(NetdefError, match=says):
        options_of_run("run", Options(), "cpu")
    with only_inside(), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert getattr(options_of_run("run", Options(**{field: "else"}), "cpu"), field) == "else"
        record.write_text(json.dumps({"starts": [{field: "run/inner", "directory": str(tmp_path)}]}))
        assert getattr(options_of_run("run", Options(), "cpu"), field) == str(tmp_path / "run/inner")


@pytest.mark.parametrize("start", ["[1]", '[{"data": 1}]', '[{"overrides": []}]', '[{"weights": ["w"]}]', "[]", "{", '["x"]'])
def test_a_damaged_record_of_a_run(start, tmp_path):
    (tmp_path / "run.json").write_text(f'{{"starts": {start}}}')
    with pytest.raises(NetdefError, match=r"run\.json is damaged"):
        options_of_run(str(tmp_path), Options(), "cpu")


@pytest.mark.parametrize(("size", "nodes"), [(4, 2), (3, None)])
def test_nodes_that_a_lost_rank_leaves(size, nodes, capsys):
    assert without_lost_nodes(Options(nodes=2), SimpleNamespace(size=size, first=True)).nodes == nodes
    said = "" if nodes else "--nodes 2 is left out: it does not divide the 3 shares that are left\n"
    assert capsys.readouterr().err == said


def test_a_run_is_an_argument_of_every_command(folder, capsys):
    assert run(["test", "b"]) == 0
    out, err = capsys.readouterr()
    assert "over 20 images of 20 in all" in out
    assert "weights of b/shades_iter_4.caffemodel" in err
    assert run(["predict", "b", "images/dark/10.png"]) == 0
    assert capsys.readouterr().out.startswith("images/dark/10.png\n")
    for command in (["shapes", "b"], ["draw", "b", "-o", "b.svg"], ["compile", "b"], ["check", "b/net.net"]):
        assert run(command) == 0, command
    assert run(["diff", "again" if os.path.exists("again") else "a", "a"]) in (0, 1)
    capsys.readouterr()
    assert run(["diff", "a", "b"]) == 1
    out = capsys.readouterr().out
    assert "solver: max_iter" in out and "dropout_ratio  0.2 -> 0.5" in out
    assert run(["diff", "b", "b"]) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["test", "images"], "images is a directory without a net.net"),
        (["test", "shades.net"], "no weights are given for shades.net"),
        (["test", "empty"], "there is no snapshot under empty"),
        (["test", "shades.net", "--weights", "images"], "there is no snapshot under images"),
        (["train", "empty"], "empty is a net; training it takes a solver too"),
    ],
)
def test_directories_of_no_run(folder, arguments, said, capsys):
    Path("empty").mkdir(exist_ok=True)
    Path("empty/net.net").write_text(images.NET)
    assert run(arguments) == 2
    assert said in capsys.readouterr().err


def test_files_of_the_user_stay(folder, capsys):
    Path("mine").mkdir()
    Path("mine/solver.txt").write_text(images.SOLVER)
    assert run(["train", "shades.net", "mine/solver.txt", "--out", "mine", "--iterations", "1"]) == 0
    assert "mine has a solver.txt already: those of this run are not written" in capsys.readouterr().out
    assert Path("mine/solver.txt").read_text() == images.SOLVER
    assert not Path("mine/net.net").exists()


def test_layers_without_names_keep_those_of_their_weights():
    text = 'layer { type: "Input" top: "x" input_param { shape { dim: [2, 3] } } }'
    text += 'layer { type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 2 } }'
    net = netdef.parse(text)
    again = netdef.parse(net_text(net))
    assert [layer.name for layer in again.layers] == [layer.name for layer in net.layers]
