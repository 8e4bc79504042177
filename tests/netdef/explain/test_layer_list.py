"""`netdef layers`, and which devices can run what."""

import json
import re

from netdef.cli.main import run
from netdef.explain import layers
from netdef.explain.reference import layer_type
from netdef.layers import LAYERS
from runtime.ops.support import devices_by_class


def test_every_type_is_listed_once():
    text = layers(devices_by_class())
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
    from runtime.ops.registry import runnable_types

    found = devices_by_class()
    assert [name for name in sorted(LAYERS) if LAYERS[name].__name__ in found] == runnable_types()
    assert all(devices in (("cpu",), ("cpu", "gpu")) for devices in found.values())


def test_a_family_without_kernels_for_cards_runs_on_the_cpu_alone(monkeypatch, tmp_path):
    import runtime.ops.support

    for path, text in {
        "a/lower.py": "@lowers(A)\n", "b/lower.py": "@lowers(B, gradients=())\n@lowers(C)\n", "d/lower.py": "@lowers(D)\n",
        "a/cpu.py": "", "b/cpu.py": "", "b/cuda.py": "",
    }.items():  # fmt: skip
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    monkeypatch.setattr(runtime.ops.support, "_FOLDER", tmp_path)
    assert devices_by_class() == {"A": ("cpu",), "B": ("cpu", "gpu"), "C": ("cpu", "gpu"), "D": ("cpu", "gpu")}
