"""--set, on every command that takes a net."""

import json

import click
import pytest

from netdef.cli.main import COMMANDS, commands, run
from netdef.cli.train import CommandLine, Options
from netdef.language.find import models_folder


def command_called(name: str) -> click.Command:
    found = commands.get_command(click.Context(commands), name)
    assert found is not None
    return found


TAKERS = [
    name
    for name in COMMANDS
    if {"net", "a", "files", "source"} & {p.name for p in command_called(name).params if isinstance(p, click.Argument)}
    and name not in ("fmt", "import", "edit")  # fmt changes no meaning, import reads no net as text, edit writes the text itself
]


def test_commands_that_take_a_net():
    assert {"shapes", "diff", "check", "compile", "train", "test", "predict", "draw", "time", "placement", "convert"} <= set(TAKERS)


@pytest.mark.parametrize("name", TAKERS)
def test_every_command_that_takes_a_net_applies_set(name, capsys, tmp_path):
    """And hands it on: a mistake in it is found, and shown in its own text."""
    command = command_called(name)
    assert "overrides" in {parameter.name for parameter in command.params}
    arguments = {"diff": ["alexnet", "alexnet"], "predict": ["alexnet", "models/photos/cat.jpg"], "train": ["alexnet", "solver"]}
    arguments |= {"rates": arguments["train"]}
    arguments |= {"convert": ["alexnet", str(tmp_path / "out.net")], "detect": arguments["predict"]}
    options = {
        "test": ["--weights", "x"],
        "export": ["--weights", "x", "-o", str(tmp_path / "x.onnx")],
        "extract": ["--weights", "x", "--blobs", "fc8", "-o", "x.h5"],
        "predict": ["--weights", "x"],
        "detect": ["--weights", "x"],
        "show": ["--weights", "x", "-o", str(tmp_path / "x.html")],
        "train": ["--out", str(tmp_path / "run")],
        "study": ["--solver", "solver", "--out", str(tmp_path / "runs")],
    }
    words = [name, *arguments.get(name, ["alexnet"]), *options.get(name, []), "--set", "conv2.num_outptu=3"]
    if name in ("predict", "detect"):
        words[2] = str(next(path for path in models_folder().glob("photos/*") if path.suffix in (".jpg", ".png")))
    assert run(words) == (1 if name == "check" else 2)
    said = "".join(capsys.readouterr())
    assert "--set:1:7: error: unknown field 'num_outptu' of Convolution" in said
    assert not (tmp_path / "out.net").exists()
    assert "    1 | conv2.num_outptu=3\n      |       ^^^^^^^^^^\n    did you mean num_output?" in said


def test_set_changes_what_commands_show(capsys):
    assert run(["shapes", "lenet", "--format", "json", "--set", "ip1.num_output=7", "--set", "conv1.num_output=9"]) == 0
    layers = {layer["name"]: layer for layer in json.loads(capsys.readouterr().out)["layers"]}
    assert layers["ip1"]["weights"][0]["shape"] == [7, 800]
    assert layers["conv1"]["tops"][0]["shape"] == [100, 9, 24, 24]


def test_set_changes_all_layers_of_a_type(capsys):
    assert run(["shapes", "lenet", "--format", "json", "--set", "Convolution:num_output=7", "--set", "conv2.num_output=9"]) == 0
    layers = {layer["name"]: layer for layer in json.loads(capsys.readouterr().out)["layers"]}
    assert [layers[name]["tops"][0]["shape"][1] for name in ("conv1", "conv2")] == [7, 9]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Poolin:kernel_size=2", "--set:1:1: error: there is no layer of type Poolin\n    1 | Poolin:kernel_size=2\n"),
        ("Poolin:kernel_size=2", "did you mean Pooling?"),
        ("Xyz:stride=2", "its types: ImageData, Convolution, Pooling, InnerProduct, "),
        ("Pooling:kernel_sze=2", "--set:1:9: error: unknown field 'kernel_sze' of Pooling"),
        ("Pooling:=2", "unknown field '' of Pooling"),
        (":kernel_size=2", "there is no layer of type"),
    ],
)
def test_set_of_a_type_that_is_wrong(text, says, capsys):
    assert run(["shapes", "lenet", "--set", text]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("ending", ["net", "prototxt", "caffemodel"])
def test_convert_writes_what_it_changes(ending, capsys, tmp_path):
    out = str(tmp_path / f"out.{ending}")
    assert run(["convert", "caffenet_norm_first", out, "--set", "conv2.num_output=64"]) == 0
    if ending != "caffemodel":  # which diff takes for weights only
        assert run(["diff", "caffenet_norm_first", out, "--set", "conv2.num_output=256"]) == 0
    assert run(["shapes", out, "--format", "json"]) == 0
    said = capsys.readouterr().out
    layers = {layer["name"]: layer for layer in json.loads(said[said.index("{") :])["layers"]}
    assert layers["conv2"]["weights"][0]["shape"][0] == 64


def test_convert_of_a_solver_rejects_set(capsys, tmp_path):
    assert run(["convert", str(models_folder() / "solver.txt"), str(tmp_path / "out.prototxt"), "--set", "conv1.num_output=3"]) == 2
    assert "is a solver: --set changes fields of a net" in capsys.readouterr().err


def test_diff_shows_what_it_changes(capsys):
    assert run(["diff", "alexnet", "alexnet", "--set", "conv2.group=1"]) == 1
    assert "Towers merged: conv2 now reads all channels (group 2 -> 1)" in capsys.readouterr().out


def test_a_run_is_resumed_with_its_settings(tmp_path):
    from netdef.graph.overrides import settings_of

    settings = settings_of(["conv1.num_output=9", "data.source=my photos"])
    command = CommandLine("lenet", "solver", Options(overrides=settings))
    words = "--set conv1.num_output=9 --set 'data.source=my photos'"
    assert command.resume(tmp_path / "x").startswith(f"netdef train lenet solver {words} --resume")
    assert command.test("lenet", tmp_path / "x", tmp_path / "net.net").endswith(words)
