"""Nets and solvers are recognised by their contents."""

import pytest

from netdef.language.kinds import kind_of, outer_words
from tests.paths import ROOT


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("layer a: ReLU(b)", "net"),
        ('name: "x" layer { name: "a" type: "ReLU" }', "net"),
        ('input: "data" input_dim: 1', "net"),
        ("train layer a: Input -> b { shape { dim: 1 } }", "net"),
        ("defaults Pooling { pool: MAX }", "net"),
        ('base_lr: 0.1 # layer { name: "x" }', "solver"),
        ('net: "layers.net" lr_policy: "fixed"', "solver"),
        ('net_param { layer { name: "a" } layer { name: "b" } } base_lr: 1', "solver"),
        ("lr_policy: 'layer name input'", "solver"),
        ("max_iter: 3", "solver"),
        ("anything else", None),
        ("", None),
    ],
)
def test_by_content(tmp_path, text, kind):
    (tmp_path / "file.txt").write_text(text)
    assert kind_of(str(tmp_path / "file.txt")) == kind


def test_by_name(tmp_path):
    assert kind_of("alexnet") == "net"
    assert kind_of("missing.net") == "net"
    assert kind_of("missing") is None
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    assert kind_of(str(tmp_path / "binary")) is None
    assert kind_of(str(tmp_path)) is None


def test_files_of_the_package():
    models = ROOT / "models"
    assert {kind_of(str(path)) for path in models.glob("*.net")} == {"net"}
    assert {kind_of(str(path)) for path in models.glob("*solver*.txt")} == {"solver"}


def test_words_outside_braces():
    assert outer_words("a: 1 b { c { d: 2 } e < f: 3 > } # g\n\"h\" i: 'j'") == {"a", "b", "i"}
