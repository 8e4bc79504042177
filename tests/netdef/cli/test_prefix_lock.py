"""Two runs cannot write snapshots under one prefix at a time."""

from pathlib import Path

import pytest

from netdef import NetdefError
from netdef.cli.main import run
from netdef.cli.prefix_lock import prefix_locked

NET = """
layer data: ImageData -> data, label { source: "builtin:digits" batch_size: 2 shuffle: true }
layer fc: InnerProduct(data) { num_output: 10 weight_filler { type: "xavier" } }
layer loss: SoftmaxWithLoss(fc, label)
"""
SOLVER = 'net: "x.net" base_lr: 0.0001 lr_policy: "fixed" max_iter: 1 random_seed: 1 snapshot_prefix: "{}/snaps/x"'


def test_a_prefix_elsewhere_is_of_one_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("x.net").write_text(NET)
    Path("solver.txt").write_text(SOLVER.format(tmp_path))
    words = ["train", "solver.txt", "--devices", "cpu:0", "--threads", "1", "--out"]
    Path("snaps").mkdir()
    with prefix_locked(tmp_path / "snaps" / "x", tmp_path / "first"):
        assert run([*words, "second"]) == 2
        assert f"error: another run is writing snapshots to {tmp_path}/snaps/x" in capsys.readouterr().err
        assert not Path("second").exists()
    assert run([*words, "second"]) == 0
    assert sorted(path.name for path in Path("snaps").iterdir()) == [
        f"x_iter_1.{kind}" for kind in ("caffemodel", "netdef.json", "solverstate")
    ]


def test_what_a_crash_leaves_is_no_lock(tmp_path):
    (tmp_path / ".x.lock").write_bytes(b"")
    with prefix_locked(tmp_path / "x", tmp_path / "run"):
        with prefix_locked(tmp_path / "other", tmp_path / "run"):
            pass
        with pytest.raises(NetdefError, match="another run is writing snapshots"), prefix_locked(tmp_path / "x", tmp_path / "run"):
            pass
    assert list(tmp_path.iterdir()) == []


def test_a_prefix_in_the_directory_of_the_run_needs_none(tmp_path):
    with prefix_locked(tmp_path / "run" / "x", tmp_path / "run"), prefix_locked(tmp_path / "run" / "x", tmp_path / "run"):
        assert list(tmp_path.iterdir()) == []
