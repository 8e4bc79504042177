"""The command line as a whole: mistakes, exit codes, pipes."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import click
import pytest

from netdef import cli
from netdef.cli.main import COMMANDS, commands, run
from netdef.language.find import models_folder

ROOT = models_folder().parent


def netdef(*arguments, **options):
    command = [sys.executable, "-m", "netdef", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False, **options)


def test_an_error_in_a_file_exits_2_without_a_traceback(tmp_path):
    bad = tmp_path / "bad.net"
    bad.write_text("layer data: Input { shape { dim: 1 } }\nlayer a: ReLU(dta)\n")
    done = netdef("shapes", str(bad))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"{bad}:2:15: error: layer a reads blob dta, which no layer makes\n"
        "    2 | layer a: ReLU(dta)\n"
        "      |               ^^^\n"
        "    did you mean data?\n"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["shaps", "alexnet"], "netdef has no command shaps\n    did you mean shapes?"),
        (["zzz"], "netdef has no command zzz\n    commands: "),
        (["shapes"], "Missing argument 'NET'"),
        (["shapes", "alexnet", "--batch", "0"], "Invalid value for '--batch'"),
        (["shapes", "alexnet", "--phase", "both"], "Invalid value for '--phase'"),
        (["shapes", "alexnt"], "there is no file and no model called alexnt\n    did you mean alexnet? models:"),
        (["shapes", "nowhere.net"], "there is no file nowhere.net"),
    ],
)
def test_usage_errors_exit_2(arguments, said, capsys):
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert "Traceback" not in captured.err


def test_help_lists_every_command(capsys):
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"\n  {name} " in out for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_summary_is_the_first_sentence_of_the_help(name):
    command = commands.get_command(click.Context(commands), name)
    assert command.get_short_help_str(limit=1000) == COMMANDS[name].removesuffix(".") + "."


def test_every_file_with_a_command_is_listed():
    folder = Path(cli.__file__).parent
    files = {file.stem.removesuffix("_") for file in folder.glob("*.py") if "@click.command" in file.read_text()}
    groups = {file.parent.name for file in folder.glob("*/__init__.py") if "@click.group" in file.read_text()}
    assert files | groups == set(COMMANDS)


def test_start_up_imports_no_arrays():
    lines = [["--help"], *([name, "--help"] for name in COMMANDS), ["shapes", "lenet"], ["check", "lenet"]]
    code = "import sys, netdef.cli.main as main\n"
    code += f"sys.exit(next((' '.join(line) for line in {lines} if main.run(line) or 'numpy' in sys.modules), None))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_version(capsys):
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("netdef")


def test_no_colours_in_a_file():
    assert "\x1b" not in netdef("shapes", "nonesuch").stderr
    assert "\x1b" not in netdef("shapes", "alexnet").stdout


def test_a_closed_pipe_is_no_error():
    command = f"{sys.executable} -m netdef shapes alexnet --format json | head -n 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.stdout, done.stderr) == ("{\n", "")
    assert done.returncode in (0, 141)  # small enough, the output may have gone into the pipe whole


def test_an_interrupt_exits_130(monkeypatch, capsys):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("netdef.loading.open_net", interrupt)
    assert run(["shapes", "alexnet"]) == 130
    assert capsys.readouterr().err.strip() == "interrupted"


@pytest.mark.parametrize(
    ("arguments", "option"),
    [(["shapes", ""], "NET"), (["train", "a.net", "s.txt", "--resume", ""], "--resume"), (["check", "a", ""], "NET|SOLVER...")],
)
def test_empty_arguments_are_rejected(arguments, option, capsys):
    assert run(arguments) == 2
    assert f"Invalid value for '{option}': it is empty" in capsys.readouterr().err


@pytest.mark.slow
def test_a_full_disk_exits_2():
    done = subprocess.run(f"{sys.executable} -m netdef models > /dev/full", shell=True, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "error: cannot write the output: No space left on device\n")


@pytest.mark.slow
def test_a_closed_output_is_no_error():
    done = subprocess.run(f"{sys.executable} -m netdef models >&-", shell=True, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "error: out of memory"),
        (RuntimeError("can't start new thread"), "error: this machine lets no more threads"),
        (ImportError("x.so: failed to map segment", name="x"), "error: out of memory: x cannot be loaded"),
    ],
)
def test_out_of_memory_and_out_of_threads_exit_2(error, said, monkeypatch, capsys):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(commands, "main", fail)
    assert run(["models"]) == 2
    assert said in capsys.readouterr().err


def test_a_bug_keeps_its_traceback(monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("a bug")

    monkeypatch.setattr(commands, "main", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        run(["models"])


def test_an_old_format_is_a_note_even_if_warnings_are_errors(tmp_path, capsys):
    old = tmp_path / "old.prototxt"
    old.write_text('input: "data" input_dim: [1, 3, 8, 8]\nlayers { name: "r" type: RELU bottom: "data" top: "r" }\n')
    with warnings.catch_warnings(action="error"):
        assert run(["shapes", str(old)]) == 0
    assert capsys.readouterr().err.startswith(f"note: {old}: 1 layers of an older format")


def test_names_outside_the_encoding_of_the_output(tmp_path):
    (tmp_path / "世.net").write_text("layer data: Input { shape { dim: [1, 2] } }")
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    done = netdef("shapes", str(tmp_path / "世.net"), env=environment)
    assert done.returncode == 0, done.stderr
    assert "\\u4e16.net" in done.stdout


def test_a_current_folder_that_is_gone(tmp_path, monkeypatch, capsys):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert run(["shapes", "lenet"]) == 2
    assert capsys.readouterr().err.startswith("error: the current folder cannot be used: No such file or directory\n    cd to")
