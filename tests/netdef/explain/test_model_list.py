"""`netdef models`."""

import json
from functools import cache

import pytest

import netdef
from netdef.cli.main import run
from netdef.explain import model_list
from netdef.explain.model_list import about, models, render
from netdef.language.find import model_names
from tests.timing import times_of_libraries

LOADED_ONCE = cache(models)


@pytest.fixture(autouse=True)
def loaded_once(monkeypatch):
    monkeypatch.setattr(model_list, "models", LOADED_ONCE)


def test_the_list():
    header, *rows = render().split("\n\n")[0].splitlines()
    assert [row.split()[0] for row in rows] == model_names()
    by_name = {row.split()[0]: row for row in rows}
    assert header.split() == ["model", "input", "layers", "parameters", "MACs/image"]
    assert by_name["alexnet"].split()[:8] == ["alexnet", "3", "x", "227", "x", "227", "8", "60,965,224"]
    assert by_name["lenet"].endswith("431,080      2.31 M  LeNet for handwritten digits, in Caffe's form")
    assert max(map(len, rows)) <= 126


def test_narrow_terminals():
    lines = render(width=80).splitlines()
    assert max(map(len, lines)) <= 80
    row = next(index for index, line in enumerate(lines) if line.startswith("alexnet "))
    assert lines[row].split()[-3:] == ["60,965,224", "729.3", "M"]
    assert lines[row + 1] == "  AlexNet, as in the paper"


def test_as_data(capsys):
    assert run(["models", "--format", "json"]) == 0
    facts = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert facts["vgg16"]["parameters"] == 138_357_544
    assert facts["vgg16"]["layers"] == 16
    assert facts["vgg16"]["input"] == [3, 224, 224]
    resnet = facts["resnet50"]
    assert (resnet["layers"], resnet["parameters"], resnet["statistics"]) == (54, 25_557_096, 53_120)


def test_the_comment_of_a_file_is_its_description():
    assert about("# A net: with this.\n# and that\nname: 'x'\n") == "A net"
    assert about("# One of a.net's\n# two towers. More.\n\n# other\n") == "One of a.net's two towers"
    assert about("name: 'x'\n") == ""
    assert all(5 < len(model.about) < 75 for model in LOADED_ONCE())


@pytest.mark.release  # on a busy machine its ratio of times varies by half
def test_it_costs_little_more_than_its_libraries():
    layers = sum(len(netdef.load(name).layers) for name in model_names())
    assert times_of_libraries(["models"], rounds=2) < 3 + 2 * layers / 1000
