"""Find the file of a name."""

import pytest

import netdef
from netdef.language.find import find_beside, find_net, model_names


def test_models_are_found_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_net("alexnet").name == "alexnet.net"
    assert netdef.load("alexnet").name == "AlexNet"
    assert {"alexnet", "bvlc_alexnet", "caffenet"} <= set(model_names())


def test_a_file_comes_before_a_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "alexnet").write_text("layer mine: Input { shape { dim: 1 } }")
    assert [layer.name for layer in netdef.load("alexnet").layers] == ["mine"]


def test_unknown_names_have_hints(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lenet.prototxt").write_text("layer mine: Input { shape { dim: 1 } }")
    for name, said in {
        "alexnt": "there is no file and no model called alexnt\n    did you mean alexnet? models: alexnet, ",
        "xyz": "there is no file and no model called xyz\n    models: alexnet, ",
        "alexnet.net": "the model that comes with netdef is called alexnet",
        "lnet.prototxt": "there is no file lnet.prototxt\n    did you mean lenet.prototxt?",
        "nowhere/a.net": "there is no file nowhere/a.net\n    there is no folder nowhere either",
    }.items():
        with pytest.raises(netdef.NetdefError) as caught:
            netdef.load(name)
        assert said in str(caught.value)


def test_a_file_named_by_a_file_is_searched_beside_it_first(tmp_path, monkeypatch):
    (tmp_path / "solvers").mkdir()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.net").write_text("there")
    assert find_beside("a.net", tmp_path / "solvers").read_text() == "there"
    (tmp_path / "solvers" / "a.net").write_text("beside")
    assert find_beside("a.net", tmp_path / "solvers").read_text() == "beside"
    with pytest.raises(netdef.NetdefError, match=r"there is no file b\.net"):
        find_beside("b.net", tmp_path / "solvers")
