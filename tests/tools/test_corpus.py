"""tools/corpus.py: every net of a folder, tried."""

import sys

import pytest

from tools import corpus

NET = 'layer { name: "d" type: "Input" top: "d" input_param { shape { dim: 1 dim: 3 } } }\n'
FILES = {
    "whole.prototxt": NET + 'layer { name: "r" type: "ReLU" bottom: "d" top: "r" }',
    "kept.prototxt": NET + 'layer { name: "r" type: "NewKind" bottom: "d" top: "r" new_param { a: 1 } }',
    "solver.prototxt": 'net: "whole.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 1',
    "inner/wrong.prototxt": NET + 'layer { name: "r" type: "Relu" bottom: "d" top: "r" }',
    "inner/labels.prototxt": 'item { name: "a" label: 0 }',
}


def test_outcomes_are_counted(tmp_path, capsys, monkeypatch):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(sys, "argv", ["corpus.py", str(tmp_path)])
    assert corpus.main() == 0
    lines = capsys.readouterr().out.splitlines()
    assert "5 files" in lines
    assert "     2  whole" in lines and "     1  whole, with unknown types or fields" in lines
    assert any(line.startswith("error ND002: inner/wrong.prototxt:") and "unknown layer type 'Relu'" in line for line in lines)
    assert any(line.startswith("error without a code: inner/labels.prototxt:") and "a label map" in line for line in lines)


@pytest.mark.parametrize(("fault", "kind"), [(ValueError("x"), corpus.CRASH), (corpus.LostError("x"), corpus.LOST)])
def test_what_must_not_be_fails(tmp_path, capsys, monkeypatch, fault, kind):
    (tmp_path / "x.prototxt").write_text(NET)

    def tried(path, quick):
        raise fault

    monkeypatch.setattr(corpus, "tried", tried)
    monkeypatch.setattr(sys, "argv", ["corpus.py", str(tmp_path)])
    assert corpus.main() == 1
    assert f"     1  {kind}" in capsys.readouterr().out
