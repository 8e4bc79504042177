"""`netdef layers`, and which devices can run what."""

import json
import re

import runtime.kernels.rooms
from netdef.cli.main import run
from netdef.explain import layers
from netdef.explain.reference import layer_type
from netdef.layers import LAYERS
from runtime.kernels.rooms import devices_of
from runtime.ops.registry import devices_by_type, runnable_types


def test_every_type_is_listed_once():
    text = layers(devices_by_type())
    names = re.findall(r"^  (\w+)  ", text, re.MULTILINE)
    assert sorted(names) == sorted(LAYERS)
    assert max(map(len, text.splitlines())) <= 115
    assert re.search(r"^Local response normalisation\n  LRN +cpu gpu  Local", text, re.MULTILINE)


def test_as_data(capsys):
    assert run(["layers", "--format", "json"]) == 0
    facts = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert set(facts) == set(LAYERS)
    assert facts["LRN"]["devices"] == ["cpu", "gpu"]
    assert facts["Eltwise"]["bottoms"] == [2, None]


def test_sentences_end_where_they_should():
    assert layer_type("LRN").line == "Local response normalisation (Krizhevsky et al. 2012, 3.3)"
    assert layer_type("Bias").line == "y = x + bias"
    assert all(layer_type(name).line for name in LAYERS)


def test_the_devices_are_those_that_have_lowerings_and_kernels():
    found = devices_by_type()
    assert sorted(found) == runnable_types()
    assert set(found.values()) == {("cpu", "gpu")}


def test_a_room_without_kernels_for_cards_runs_on_the_cpu_alone(monkeypatch, tmp_path):
    for path in ("a/lower.py", "a/cpu.py", "b/lower.py", "b/cpu.py", "b/cuda.py", "c/lower.py"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    monkeypatch.setattr(runtime.kernels.rooms, "OPS", tmp_path)
    assert [devices_of(room) for room in "abc"] == [("cpu",), ("cpu", "gpu"), ("cpu", "gpu")]
