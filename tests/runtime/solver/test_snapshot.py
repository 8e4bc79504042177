"""The file beside a snapshot: what is wrong with it is said."""

import json
from pathlib import Path

import pytest

from netdef import NetdefError
from netdef.weights.snapshots import side_path
from runtime.solver.nets import read_solver
from runtime.solver.prefix import snapshot_prefix
from runtime.solver.snapshot import read_side, side_text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is damaged: Expecting property name"),
        ("[]", "is damaged: it has no format"),
        ('{"seed": 5}', "is damaged: it has no format"),
        ('{"format": 2}', "was written by a later netdef"),
        ('{"format": 1, "seed": "x"}', 'is damaged: seed is "x"'),
        ('{"format": 1, "seed": true}', "is damaged: seed is true"),
        ('{"format": 1, "rate": {"step": null}}', 'is damaged: rate is {"step": null}'),
        ('{"format": 1, "last_losses": [1, "a"]}', "is damaged: last_losses"),
        ('{"format": 1, "sources": {"train": {"data": 3}}}', "is damaged: sources"),
        ('{"format": 1, "sources": {"test": [{"data": {"sample": []}}]}}', "is damaged: sources"),
        ('{"format": 1, "files": []}', "is damaged: files are not what a run writes"),
        ('{"format": 1, "files": {"state": {"bytes": 3}}}', "is damaged: files are not what a run writes"),
        ('{"format": 1, "classes": "cat"}', "is damaged: classes are no list of names"),
    ],
)
def test_a_damaged_side_file(content, said, tmp_path):
    (tmp_path / "a.netdef.json").write_text(content)
    with pytest.raises(NetdefError) as error:
        read_side(tmp_path / "a.solverstate")
    assert said in str(error.value)


def test_what_is_written_is_read(tmp_path):
    rate = {"step": 1, "best": None, "tests_since_best": 2, "of a later version": [1]}
    content = {"seed": 2**40, "rate": rate, "last_losses": [0.5], "sources": {"train": {"data": {"sample": 7}}, "test": []}}
    text = side_text({**content, "data": None, "hold_out": 5, "classes": None, "more": {}})
    (tmp_path / "a.netdef.json").write_text(text)
    read = read_side(tmp_path / "a.caffemodel.h5")
    assert {name: read[name] for name in content} == content
    assert json.loads(side_path(tmp_path / "a.caffemodel").read_text())["format"] == 1
    assert read_side(tmp_path / "b.solverstate") == {}


@pytest.mark.parametrize("solver", ["solver", "imagenet_solver"])
def test_snapshots_by_solvers_of_the_package_are_named_after_the_net(solver: str) -> None:
    parameters, _ = read_solver(solver, None)
    assert snapshot_prefix(parameters, "models/resnet18.net", "out") == Path("out/resnet18")
