"""Words in another order: the error ends in the command line that was meant."""

from pathlib import Path

import pytest

from netdef.cli.main import COMMANDS, commands, run
from netdef.cli.word_order import TAKES


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("cat.jpg").write_bytes(b"")
    Path("photos").mkdir()


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("predict cat.jpg lenet", "predict lenet cat.jpg"),
        ("predict photos lenet --weights x.caffemodel", "predict lenet photos --weights x.caffemodel"),
        ("predict lenet x.caffemodel cat.jpg --top 2", "predict lenet --weights x.caffemodel cat.jpg --top 2"),
        ("detect cat.jpg ssd300_vgg16", "detect ssd300_vgg16 cat.jpg"),
        ("test x.caffemodel lenet", "test lenet --weights x.caffemodel"),
        ("test lenet x.caffemodel --batch 3", "test lenet --weights x.caffemodel --batch 3"),
        ("draw a.svg lenet", "draw lenet -o a.svg"),
        ("export lenet x.onnx", "export lenet -o x.onnx"),
        ("convert out.net lenet", "convert lenet out.net"),
        ("study solver lenet alexnet", "study lenet alexnet --solver solver"),
        ("train solver lenet", "train lenet solver"),
    ],
)
def test_the_command_that_was_meant(given, meant, capsys):
    assert run(given.split()) == 2
    assert capsys.readouterr().err.endswith(f"netdef {meant}\n")


@pytest.mark.parametrize(
    "given", ["predict lenet cat.jpg", "test lenet", "draw lenet alexnet", "convert lenet lenet.xyz", "predict photos cat.jpg"]
)
def test_no_guess_where_the_words_are_in_order(given, capsys):
    assert run(given.split()) == 2
    assert "order" not in capsys.readouterr().err


def test_the_commands_are_there():
    assert set(TAKES) <= set(COMMANDS)


@pytest.mark.parametrize("name", ["solver", "lenet_solver"])
def test_a_solver_where_a_net_was_expected(name, capsys):
    for words in (["shapes", name], ["draw", name], ["time", name]):
        assert run(words) == 2
        assert capsys.readouterr().err.startswith(f"error: {name} is a solver, where a net was expected\n")
    Path("mine.txt").write_text('net: "alexnet"\nbase_lr: 0.1\nlr_policy: "fixed"\nxyz: 3\n')
    assert run(["shapes", "mine.txt"]) == 2
    assert capsys.readouterr().err == (
        "error: mine.txt is a solver, where a net was expected\n    its net is alexnet; netdef train mine.txt trains it\n"
    )


def test_a_net_where_a_solver_was_expected(capsys):
    Path("mine.net").write_text("layer data: Input { shape { dim: [1, 2] } }\nlayer relu: ReLU(data)")
    assert run(["study", "lenet", "--solver", "mine.net"]) == 2
    assert capsys.readouterr().err.startswith("error: mine.net is a net, where a solver was expected\n")


def test_help(capsys):
    assert run(["help"]) == 0
    listed = capsys.readouterr().out
    assert "..." not in listed.replace("[ARGS]...", "")
    for words in (["help", "train"], ["train", "--help"]):
        assert run(words) == 0
    first, _, second = capsys.readouterr().out.partition("Usage: netdef train")[2].partition("Usage: netdef train")
    assert first == second and "--lr RATE" in first
    assert run(["help", "data", "convert"]) == 0
    assert capsys.readouterr().out.startswith("Usage: netdef data convert")
    for words in (["help", "help"], ["data", "help", "help"]):
        assert run(words) == 0 and "Commands:" in capsys.readouterr().out
    assert run(["help", "trian"]) == 2
    assert "did you mean train?" in capsys.readouterr().err
    assert "help" not in commands.summaries


def test_files_that_come_along_go_by_their_names(capsys):
    for name in ("lenet", "lenet_solver", "imagenet_solver"):
        assert run(["fmt", "--check", name]) in (0, 1)
        assert run(["fmt", "-i", name]) == 2
        assert f"{name} came with netdef: -i changes files of your own" in capsys.readouterr().err
        assert run(["convert", name, f"{name}.prototxt"]) == 0
    assert run(["check", "lenet_solver.prototxt"]) == 0
