"""`netdef check` notes what cannot run on this machine."""

import re
from pathlib import Path

import pytest

from netdef.check.run import check
from netdef.cli import check_here
from netdef.cli.main import run

NET = """
layer data: Data -> data, label {
  source: "nothere_lmdb" backend: LMDB batch_size: 4 transform_param { mean_file: "m.binaryproto" crop_size: 8 }
}
layer own: Python(data) -> own { module: "m" layer: "L" }
layer boxes: Input -> found, boxes { shape { dim: [1, 1, 5, 7] } shape { dim: [1, 1, 4, 8] } }
layer ev: DetectionEvaluate(found, boxes) -> ev { num_classes: 3 background_label_id: 0 }
layer quiet: Silence(own, ev, label)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("x.net").write_text(NET)


def notes(capsys, *words):
    assert run(["check", *words]) == 0
    out = capsys.readouterr().out
    return re.findall(r"^x\.net:(\d+):\d+: note: (.*) \[(ND40\d)\]$", out, re.M), out


def test_each_is_a_note_with_a_code_of_its_own(capsys):
    found, out = notes(capsys, "x.net")
    assert [(line, code) for line, _, code in found] == [("3", "ND403"), ("3", "ND403"), ("5", "ND402"), ("7", "ND401")]
    assert "there is no nothere_lmdb here" in out and "there is no m.binaryproto here" in out
    assert "netdef train --mean replaces it" in out
    assert (
        "--data SOURCE gives it other images" in out and "nothing here runs layers of type DetectionEvaluate: 1 layer (ev)" in out
    )
    assert out.rstrip().endswith("4 notes; `netdef explain CODE` says more")


def test_what_is_here_is_no_note(capsys):
    Path("nothere_lmdb").mkdir()
    Path("m.binaryproto").write_bytes(b"")
    found, _ = notes(capsys, "x.net")
    assert [code for _, _, code in found] == ["ND402", "ND401"]


def test_a_package_that_is_not_installed(capsys, monkeypatch):
    monkeypatch.setattr(check_here, "find_spec", lambda name: None)
    found, out = notes(capsys, "x.net")
    assert "ND404" in [code for _, _, code in found]
    assert "layer data needs the package lmdb, which is not installed [ND404]" in out and "pip install 'lmdb>=1.4'" in out


def test_notes_fail_nothing_and_stay_with_the_command(capsys):
    data = 'layer data: ImageData -> data, label { source: "no.txt" new_height: 8 new_width: 8 batch_size: 2 }'
    Path("y.net").write_text(f"{data}\nlayer quiet: Silence(data, label)\n")
    assert not [one for one in check("y.net").findings if one.code.startswith("ND4")]  # an editor asks for none
    assert run(["check", "--strict", "y.net"]) == 0
    assert "[ND403]" in capsys.readouterr().out
    Path("y.net").write_text('layer data: HDF5Data -> data { source: "no.txt" batch_size: 2 }\nlayer quiet: Silence(data)\n')
    assert run(["check", "y.net"]) == 0
    out = capsys.readouterr().out
    assert "[ND403]" in out and "--data" not in out
    assert run(["check", "lenet"]) == 0
    assert capsys.readouterr().out.endswith("1 file checked, nothing found\n")


def test_names_longer_than_a_path_can_be_are_not_here(capsys):
    Path("x.net").write_text(NET.replace("nothere_lmdb", "n" * 5000).replace("m.binaryproto", "m" * 300))
    assert [code for _, _, code in notes(capsys, "x.net")[0]][:2] == ["ND403", "ND403"]


@pytest.mark.parametrize(
    "words",
    [
        ["check", "NAME"],
        ["plot", "NAME"],
        ["plot", "NAME", "--follow", "-o", "x.html"],
        ["draw", "lenet", "-o", "NAME.svg"],
        ["draw", "lenet", "-o", "NAME/x.svg"],
        ["test", "lenet", "-o", "NAME/x.html"],
        ["show", "lenet", "-o", "NAME/x.html"],
        ["rates", "lenet", "solver.txt", "-o", "NAME/x.png"],
        ["train", "lenet", "lenet_solver", "--out", "NAME"],
    ],
)
def test_names_too_long_end_in_a_message(words, capsys):
    assert run([word.replace("NAME", "n" * 300) for word in words]) == 2
    said = "".join(capsys.readouterr())
    assert "error: " in said and "nnn" in said
