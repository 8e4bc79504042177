"""`netdef completion`, and what shells are offered."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import BashComplete

from netdef.cli.completing import KINDS, Completed
from netdef.cli.main import COMMANDS, commands, run
from tests.paths import ROOT


def offered(line, monkeypatch):
    """The words that are offered for a command line; its last word is not finished."""
    monkeypatch.setenv("COMP_WORDS", f"netdef {line}")
    monkeypatch.setenv("COMP_CWORD", str(len(line.split(" "))))
    complete = BashComplete(commands, {}, "netdef", "_NETDEF_COMPLETE")
    words, incomplete = complete.get_completion_args()
    found = complete.get_completions(words, incomplete)
    return [one.value for one in found if one.type == "plain"], any(one.type == "file" for one in found)


@pytest.mark.parametrize(
    ("line", "words", "files"),
    [
        ("pl", ["placement", "plot"], False),
        ("data in", ["info"], False),
        ("shapes resnet1", ["resnet101", "resnet152", "resnet18"], True),
        ("train lenet le", ["lenet_solver"], True),
        ("study lenet --solver fig", ["figure1_solver"], True),
        ("explain Pooling.pool.", ["Pooling.pool.MAX", "Pooling.pool.AVE", "Pooling.pool.STOCHASTIC"], False),
        ("explain local_s", ["local_size"], False),
        ("shapes lenet --set conv", ["conv1.", "conv2."], False),
        ("shapes lenet --batch 3 --set conv1.num", ["conv1.num_output="], False),
        ("shapes lenet --set conv1.weight_f", ["conv1.weight_filler."], False),
        ("extract lenet --blobs ip", ["ip1", "ip2"], False),
        ("compile lenet --after plan", ["plan_memory"], False),
        ("shapes lenet --phase t", ["train", "test"], False),
        ("train lenet --weights x", [], True),
        ("shapes lenet --forma", ["--format"], False),
        ("shapes nothere.net --set conv", [], False),
    ],
)
def test_words(line, words, files, monkeypatch):
    assert offered(line, monkeypatch) == (words, files)


def test_every_name_of_the_table_is_a_parameter():
    parameters = {p.name for name in COMMANDS if (found := commands.get_command(None, name)) for p in found.params}
    inner = commands.get_command(None, "data")
    parameters |= {p.name for name in inner.summaries for p in inner.get_command(None, name).params}
    assert set(KINDS) <= parameters
    assert isinstance(next(p for p in commands.get_command(None, "shapes").params if p.name == "net").type, Completed)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts(shell, capsys):
    assert run(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert f"_NETDEF_COMPLETE={shell}_complete" in script and "netdef" in script
    if shutil.which(shell):
        done = subprocess.run([shell, "-n"], input=script, text=True, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_a_command(tmp_path, capsys):
    """The script that is printed, run by bash itself."""
    assert run(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    (tmp_path / "netdef").write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m netdef "$@"\n')
    (tmp_path / "netdef").chmod(0o755)
    ask = 'COMP_WORDS=(netdef shapes resnet5) COMP_CWORD=2; _netdef_completion netdef; echo "${COMPREPLY[@]}"'
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", f"{script}\n{ask}"], text=True, capture_output=True, check=False, env=environment, cwd=Path("/")
    )
    assert done.stdout.strip() == "resnet50"


def test_a_shell_that_is_not_known(capsys):
    assert run(["completion", "tcsh"]) == 2
    assert "'bash', 'zsh', 'fish'" in capsys.readouterr().err
