"""`netdef train` from its arguments to its files."""

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from unittest.mock import Mock

import pytest

from netdef import NetdefError
from netdef.check.run import check
from netdef.cli.main import run
from netdef.cli.run_folders import is_cut_short
from netdef.cli.train import otherwise
from netdef.weights import read_weights
from netdef.weights.snapshots import snapshots_in
from runtime.solver.log import JsonLog, read_log
from runtime.solver.saving import newest_whole
from runtime.solver.solverstate import read_solverstate
from tests.paths import ROOT
from tests.runtime.solver.nets import IMAGES, SOLVER
from tests.runtime.solver.test_tensorboard import events_in, scalars_of

OF_RUN = ("log.jsonl", "net.net", "run.json", "solver.txt")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("small.net").write_text(IMAGES)
    Path("solver.txt").write_text(SOLVER + "display: 2 test_iter: 2 test_interval: 4 snapshot: 4")
    return tmp_path


def files(*folders):
    return sorted(str(path) for folder in folders for path in Path(folder).rglob("*") if path.is_file())


def test_a_run_prints_and_writes_its_results(capsys):
    assert run(["train", "small.net", "solver.txt"]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out and "\r" not in out
    assert re.search(r"^iteration +0 +test +loss [\d.]+ +accuracy [\d.]+%", out, re.M)
    assert re.search(r"^iteration +8 +loss [\d.]+ +rate 0.005 +[\d.]+ images/s +eta", out, re.M)
    assert "reached:   test accuracy" in out
    assert "netdef plot runs/small-1" in out
    assert "netdef test small.net --weights runs/small-1/small_iter_10.caffemodel" in out
    kinds = ("caffemodel", "netdef.json", "solverstate")
    snapshots = [f"runs/small-1/small_iter_{n}.{kind}" for n in (10, 4, 8) for kind in kinds]
    assert files("runs") == sorted([*snapshots, *(f"runs/small-1/{name}" for name in OF_RUN)])


def test_every_number_shown_is_in_the_log(capsys):
    run(["train", "small.net", "solver.txt"])
    out = capsys.readouterr().out
    records = [json.loads(line) for line in Path("runs/small-1/log.jsonl").read_text().splitlines()]
    trained = [r for r in records if r["event"] == "train" and r["due"]]
    tested = [r for r in records if r["event"] == "test"]
    assert [r["iteration"] for r in trained] == [0, 2, 4, 6, 8]
    assert [r["iteration"] for r in tested] == [0, 4, 8, 10]
    for record in trained:
        assert f"loss {record['loss']:<8.4g}  rate {record['rate']:.4g}" in out
    for record in tested:
        assert f"loss {record['loss']:.4g}  accuracy {record['outputs']['accuracy']:.1%}" in out


@pytest.mark.parametrize(
    ("settings", "tested", "note"),
    [
        ("test_interval: 4", [0, 4, 8, 10], None),
        ("test_interval: 4 test_initialization: false", [4, 8, 10], None),
        ("test_interval: 10", [0, 10], None),
        ("test_interval: 11", [0, 10], "test_interval 11 is beyond max_iter 10: tests are only before training and at its end"),
        (
            "test_interval: 11 test_initialization: false",
            [10],
            "test_interval 11 is beyond max_iter 10: the only test is at the end of training",
        ),
        ("", [10], "test_iter is given without test_interval: the only test is at the end of training"),
    ],
)
def test_tests_come_when_check_says(settings, tested, note, capsys):
    Path("solver.txt").write_text(f'net: "small.net" {SOLVER} test_iter: 2 {settings}')
    assert run(["train", "solver.txt"]) == 0
    assert [r["iteration"] for r in read_log("runs/small-1") if r["event"] == "test"] == tested
    said = capsys.readouterr()
    found = [one.message for one in check("solver.txt").findings if one.code == "ND304"]
    assert found == ([note] if note else [])
    assert [line for line in (said.out + said.err).splitlines() if "test_interval" in line] == found


def test_a_reader_that_leaves_ends_no_run(monkeypatch):
    """As `netdef train ... | head -0` does: the log and the weights are those of a run that is read."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", closed)
        assert run(["train", "small.net", "solver.txt"]) == 0
    assert Path("runs/small-1/small_iter_10.solverstate").exists()
    assert read_log("runs/small-1")[-1]["reason"] == "finished"


def test_each_run_has_its_own_directory():
    run(["train", "small.net", "solver.txt", "--iterations", "2"])
    run(["train", "small.net", "solver.txt", "--iterations", "2"])
    assert sorted(os.listdir("runs")) == ["small-1", "small-2"]


@pytest.mark.parametrize("link", [False, True])
def test_runs_that_is_no_folder_is_an_error(link, capsys):
    Path("runs").symlink_to("nothing") if link else Path("runs").touch()
    assert run(["train", "small.net", "solver.txt"]) == 2
    said = capsys.readouterr().err
    assert "cannot make the directory runs: File exists" in said and "--out DIR" in said


def test_a_solver_that_names_its_net_is_enough():
    Path("solver.txt").write_text('net: "small.net"\n' + SOLVER)
    assert run(["train", "solver.txt", "--out", "here"]) == 0
    assert Path("here/small_iter_10.caffemodel").exists()


ITERATIONS = 500


def start_and_send(which, out, after):
    """Start a run in a process of its own, send it a signal once it has shown a line; (exit code, stdout after it)."""
    arguments = ["small.net", "solver.txt", "--out", out, "--iterations", str(ITERATIONS)]
    command = [sys.executable, "-m", "netdef", "train", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment) as process:
        while after not in process.stdout.readline():
            assert process.poll() is None, process.stderr.read()
        process.send_signal(which)
        rest, _ = process.communicate()
    return process.returncode, rest


def ending(out):
    """What a run's last weights, momentum and losses are."""
    weights = read_weights(f"{out}/small_iter_{ITERATIONS}.caffemodel")
    state = read_solverstate(f"{out}/small_iter_{ITERATIONS}.solverstate")
    arrays = [array.tobytes() for arrays in weights.values() for array in arrays]
    losses = [(r["iteration"], r["loss"]) for r in read_log(out) if r["event"] == "train" and r["due"]]
    return arrays, [array.tobytes() for array in state.history], losses


@pytest.mark.slow
def test_a_resumed_run_equals_an_uninterrupted_one():
    """After Ctrl-C, SIGTERM or a kill the resumed run's last weights, momentum and losses have the same bits."""
    Path("solver.txt").write_text(SOLVER + "display: 2 test_iter: 2 test_interval: 40 snapshot: 200")
    assert run(["train", "small.net", "solver.txt", "--out", "whole", "--iterations", str(ITERATIONS)]) == 0
    for which, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        returned, rest = start_and_send(which, f"cut-{code}", after="iteration     50  loss")
        assert returned == code
        stopped = int(re.search(r"stopped after (\d+) iterations", rest)[1])
        assert 50 < stopped < ITERATIONS
        resume = re.search(r"to go on: +netdef (.*)", rest)[1].split()
        assert resume[-1].endswith(f"_iter_{stopped}.solverstate")
        assert run(resume) == 0
        assert ending(f"cut-{code}") == ending("whole")
    assert start_and_send(signal.SIGKILL, "killed", after="iteration    250  loss")[0] == -signal.SIGKILL
    arguments = ["--out", "killed", "--iterations", str(ITERATIONS), "--resume", "latest"]
    assert run(["train", "small.net", "solver.txt", *arguments]) == 0
    assert ending("killed") == ending("whole")


def test_resume_latest_continues_in_the_same_directory(capsys):
    run(["train", "small.net", "solver.txt", "--iterations", "5"])
    assert run(["train", "small.net", "solver.txt", "--resume", "latest"]) == 0
    assert "resuming from runs/small-1/small_iter_5.solverstate" in capsys.readouterr().out
    assert os.listdir("runs") == ["small-1"]
    assert Path("runs/small-1/small_iter_10.caffemodel").exists()
    assert [r["iteration"] for r in read_log("runs/small-1") if r["event"] == "test"] == [0, 4, 5, 8, 10]


def test_iterations_count_those_before_a_resume():
    run(["train", "small.net", "solver.txt", "--iterations", "3", "--out", "a"])
    run(["train", "small.net", "solver.txt", "--iterations", "6", "--out", "a", "--resume", "latest"])
    assert Path("a/small_iter_6.solverstate").exists()
    assert not Path("a/small_iter_9.solverstate").exists()


def test_changed_settings_of_a_resumed_run_are_noted(capsys):
    run(["train", "small.net", "solver.txt", "--iterations", "3", "--out", "a", "--batch", "4"])
    capsys.readouterr()
    run(["train", "small.net", "solver.txt", "--iterations", "4", "--out", "a", "--resume", "latest", "--batch", "4"])
    assert "note:" not in capsys.readouterr().out
    run(["train", "small.net", "solver.txt", "--iterations", "5", "--out", "a", "--resume", "latest"])
    assert "note: the snapshot's run had batches of 4, this one has 8" in capsys.readouterr().out
    assert otherwise({"data": None}, {"batch_size": 8, "data": "x"}) == [
        "note: the snapshot's run had the net's own images, this one has x"
    ]
    assert otherwise({}, {"batch_size": 8, "data": "x"}) == []


def test_a_finished_run_resumes_to_its_end(capsys):
    run(["train", "small.net", "solver.txt", "--out", "a"])
    before = {path: Path(path).read_bytes() for path in files("a") if not path.endswith(("log.jsonl", "run.json"))}
    capsys.readouterr()
    assert run(["train", "small.net", "solver.txt", "--out", "a", "--resume", "latest"]) == 0
    out = capsys.readouterr().out
    assert "done:      iteration 10\n" in out
    assert "weights:   a/small_iter_10.caffemodel" in out
    assert {path: Path(path).read_bytes() for path in before} == before
    again = ["--resume", "latest", "--iterations", "7"]
    assert run(["train", "small.net", "solver.txt", "--out", "a", *again]) == 2
    assert "the snapshot is of iteration 10, the run is to end at 7" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["solver.txt", "small.net"], "netdef train small.net solver.txt"),
        (["small.net"], "a solver"),
        (["small.net", "small.net"], "small.net is a net, where a solver was expected"),
        (["solver.txt", "solver.txt"], "where a net was expected"),
        (["solver.txt"], "names no net"),
        (["missing.net", "solver.txt"], "missing.net"),
        (["small.net", "missing.txt"], "missing.txt"),
        (["small.net", "solver.txt", "--resume", "x.solverstate"], "x.solverstate"),
        (["small.net", "solver.txt", "--resume", "latest", "--weights", "w"], "exclude each other"),
        (["small.net", "solver.txt", "--weights", "small.net"], "small.net holds no weights: it is a net in text"),
        (["small.net", "solver.txt", "--data", "builtin:photos"], "builtin:photos has label 9"),
    ],
)
def test_invalid_arguments_leave_no_run(arguments, says, capsys):
    assert run(["train", *arguments]) == 2
    captured = capsys.readouterr()
    assert says in captured.err
    assert "Traceback" not in captured.err
    assert not Path("runs").exists() or not os.listdir("runs")


def test_the_directory_of_another_run_is_refused(capsys):
    run(["train", "small.net", "solver.txt", "--out", "a", "--iterations", "2"])
    before = {path: Path(path).read_bytes() for path in files("a")}
    assert run(["train", "small.net", "solver.txt", "--out", "a"]) == 2
    assert "holds another run" in capsys.readouterr().err
    assert {path: Path(path).read_bytes() for path in files("a")} == before


def killed_early(out):
    """A run's directory as a kill before the first snapshot is complete leaves it."""
    assert run(["train", "small.net", "solver.txt", "--out", out]) == 0
    lines = Path(out, "log.jsonl").read_text().splitlines(keepends=True)
    first = next(n for n, line in enumerate(lines) if '"event":"snapshot"' in line)
    Path(out, "log.jsonl").write_text("".join(lines[:first]) + lines[first][:9])
    for path in Path(out).glob("*_iter_*"):
        if path.name != "small_iter_4.caffemodel":  # a half of the snapshot is there
            path.unlink()


def shown_losses(out):
    return [(r["iteration"], r["loss"]) for r in read_log(out) if r["event"] == "train" and r["due"]]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "the run in a ended before its first snapshot: it starts anew"),
        (["--resume", "latest"], "there is no snapshot under a to resume from: the run starts from the beginning"),
    ],
)
def test_a_run_killed_before_its_first_snapshot_starts_anew(options, says, capsys):
    killed_early("a")
    capsys.readouterr()
    assert run(["train", "small.net", "solver.txt", "--out", "a", *options]) == 0
    assert says in capsys.readouterr().out
    assert run(["train", "small.net", "solver.txt", "--out", "whole"]) == 0
    assert shown_losses("a") == shown_losses("whole")
    assert [Path(path).name for path in files("a")] == [Path(path).name for path in files("whole")]
    assert Path("a/small_iter_10.caffemodel").read_bytes() == Path("whole/small_iter_10.caffemodel").read_bytes()


@pytest.mark.parametrize(
    ("log", "cut"), [("", True), ('{"ev', True), ('{"event":"note","te', True), ("# a text", False), ("{}\n", False)]
)
def test_a_log_that_was_cut_in_its_first_line(log, cut):
    Path("a").mkdir()
    Path("a/log.jsonl").write_text(log)
    assert is_cut_short(Path("a")) is cut


def test_a_run_killed_amid_its_first_files_writes_them_anew():
    killed_early("a")
    for name in ("net.net", "solver.txt"):  # the record is written first
        Path("a", name).unlink()
    Path("a/.net.net.partial").write_text("layer")
    assert run(["train", "small.net", "solver.txt", "--out", "a", "--iterations", "2"]) == 0
    assert {"net.net", "solver.txt", "run.json"} <= {path.name for path in Path("a").iterdir()}
    assert not Path("a/.net.net.partial").exists()


def test_a_run_that_ended_or_is_written_now_does_not_start_anew(capsys):
    Path("solver.txt").write_text(SOLVER + "snapshot_after_train: false")
    assert run(["train", "small.net", "solver.txt", "--out", "a"]) == 0  # no snapshot, but its end is in the log
    for options in ([], ["--resume", "latest"]):
        assert run(["train", "small.net", "solver.txt", "--out", "a", *options]) == 2
        assert "a holds another run already" in capsys.readouterr().err
    Path("b").mkdir()
    Path("b/log.jsonl").write_text("of another program\n")
    assert run(["train", "small.net", "solver.txt", "--out", "b"]) == 2
    Path("b/log.jsonl").write_text("")
    with closing(JsonLog("b/log.jsonl")):
        assert run(["train", "small.net", "solver.txt", "--out", "b"]) == 2
    assert "another run is writing to b" in capsys.readouterr().err
    assert files("b") == ["b/log.jsonl"]


def damage(path, how):
    """Cut a file to its half, or let zeros take its place."""
    data = Path(path).read_bytes()
    Path(path).write_bytes(data[: len(data) // 2] if how == "cut" else bytes(len(data)))


@pytest.mark.parametrize(("kind", "how"), [("caffemodel", "zeroed"), ("solverstate", "cut"), ("netdef.json", "zeroed")])
def test_resume_latest_takes_the_snapshot_before_a_damaged_one(kind, how, capsys):
    assert run(["train", "small.net", "solver.txt", "--out", "a", "--snapshot-every", "4"]) == 0
    whole = Path("a/small_iter_10.caffemodel").read_bytes()
    damage(f"a/small_iter_8.{kind}", how)
    damage(f"a/small_iter_10.{kind}", how)
    capsys.readouterr()
    assert run(["train", "small.net", "solver.txt", "--resume", "a/small_iter_10.solverstate"]) == 2
    assert f"a/small_iter_10.{kind} is " in capsys.readouterr().err
    assert run(["train", "small.net", "solver.txt", "--out", "a", "--resume", "latest"]) == 0
    out = capsys.readouterr().out
    assert all(f"warning: a/small_iter_{n}.{kind} is " in out for n in (8, 10))
    assert "resuming from a/small_iter_4.solverstate" in out
    assert Path("a/small_iter_10.caffemodel").read_bytes() == whole


def test_no_snapshot_of_a_run_is_whole(capsys):
    assert run(["train", "small.net", "solver.txt", "--out", "a", "--iterations", "2"]) == 0
    damage("a/small_iter_2.solverstate", "cut")
    assert run(["train", "small.net", "solver.txt", "--out", "a", "--resume", "latest"]) == 2
    assert "error: no snapshot is whole:\n  a/small_iter_2.solverstate is " in capsys.readouterr().err


def test_a_snapshot_that_only_cannot_be_read_here_is_no_damage(capsys, monkeypatch):
    """Its own message comes, and no older snapshot in its stead."""
    hdf5 = ["--set", "solver.snapshot_format=HDF5"]
    assert run(["train", "small.net", "solver.txt", "--out", "a", "--iterations", "2"]) == 0
    assert run(["train", "small.net", "solver.txt", "--out", "a", "--iterations", "4", "--resume", "latest", *hdf5]) == 0
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "h5py", None)
        assert run(["train", "small.net", "solver.txt", "--out", "a", "--resume", "latest"]) == 2
    assert "iter_4.solverstate.h5 needs h5py" in (said := capsys.readouterr().err) and "pip install" in said
    monkeypatch.setattr(Path, "read_text", Mock(side_effect=PermissionError(13, "Permission denied")))
    with pytest.raises(NetdefError, match=r"^error: cannot read a/small_iter_4.netdef.json: Permission denied$"):
        newest_whole(snapshots_in("a"))


def test_weights_that_are_not_as_the_run_wrote_them_are_reported(capsys):
    assert run(["train", "small.net", "solver.txt", "--out", "a", "--iterations", "2"]) == 0
    path = Path("a/small_iter_2.caffemodel")
    data = path.read_bytes()
    path.write_bytes(data[:4096] + bytes(512) + data[4608:])  # amid the numbers
    capsys.readouterr()
    assert run(["test", "a"]) == 0
    assert "warning: a/small_iter_2.caffemodel is not as the run wrote it: its checksum is" in capsys.readouterr().err


def test_names_with_brackets_are_no_patterns(capsys):
    Path("a[1].net").write_text(IMAGES)
    solver = ["--set", 'solver.snapshot_prefix="b[1]"', "--iterations", "1"]
    assert run(["train", "a[1].net", "solver.txt", "--iterations", "1"]) == 0
    assert run(["train", "a[1].net", "solver.txt", "--iterations", "2", "--resume", "latest"]) == 0
    assert os.listdir("runs") == ["a[1]-1"]
    Path("out").mkdir()
    Path("out/b[1]_iter_1.caffemodel").touch()
    capsys.readouterr()
    assert run(["train", "a[1].net", "solver.txt", "--out", "out", *solver]) == 2
    assert "out/b[1]_iter_1.caffemodel is another run's" in capsys.readouterr().err


def test_resume_latest_without_any_run_starts_the_first(capsys):
    assert run(["train", "small.net", "solver.txt", "--resume", "latest"]) == 0
    assert "no run of small under runs has a snapshot to resume from: the run starts" in capsys.readouterr().out
    assert Path("runs/small-1/small_iter_10.caffemodel").exists()


def test_an_absolute_prefix_is_the_runs_directory_too(tmp_path, capsys):
    Path("solver.txt").write_text(SOLVER + f'snapshot_prefix: "{tmp_path}/there/small"')
    assert run(["train", "small.net", "solver.txt", "--iterations", "3"]) == 0
    names = [f"small_iter_3.{kind}" for kind in ("caffemodel", "netdef.json", "solverstate")]
    assert sorted(os.listdir("there")) == sorted([*names, *OF_RUN])
    assert run(["train", "small.net", "solver.txt"]) == 2
    assert run(["train", "small.net", "solver.txt", "--out", "elsewhere"]) == 2
    assert "is another run's" in capsys.readouterr().err
    assert run(["train", "small.net", "solver.txt", "--resume", "latest"]) == 0
    assert Path("there/small_iter_10.solverstate").exists()


def test_an_unwritable_prefix_is_found_before_training(capsys):
    Path("solver.txt").write_text(SOLVER + 'snapshot_prefix: "/proc/none/small"')
    assert run(["train", "small.net", "solver.txt", "--out", "a"]) == 2
    assert "cannot write snapshots to /proc/none" in capsys.readouterr().err
    assert not Path("a").exists()


def test_training_starts_from_given_weights(capsys):
    run(["train", "small.net", "solver.txt", "--iterations", "2", "--out", "a"])
    Path("other.net").write_text(IMAGES.replace("layer fc:", "layer fc_new:").replace("(fc", "(fc_new"))
    arguments = ["other.net", "solver.txt", "--weights", "a/small_iter_2.caffemodel", "--iterations", "0", "--out", "b"]
    assert run(["train", *arguments]) == 0
    out = capsys.readouterr().out
    assert "a/small_iter_2.caffemodel: no weights for 1 layer: fc_new; what their fillers gave stays" in out
    assert "a/small_iter_2.caffemodel: 1 layer that the net does not have: fc" in out
    assert Path("b/log.jsonl").read_text().count("no weights for 1 layer: fc_new") == 1


def test_a_loss_of_nan_stops_the_run(capsys):
    Path("solver.txt").write_text(SOLVER.replace("base_lr: 0.02", "base_lr: 1e30") + "display: 1 snapshot: 1000")
    assert run(["train", "small.net", "solver.txt", "--out", "a"]) == 2
    err = capsys.readouterr().err
    assert re.search(r"loss is \S+ at iteration \d+: the first output that is not finite is of cpu:0, \w+ of layer \w+", err)
    assert "lower base_lr" in err
    assert not list(Path("a").glob("*.caffemodel"))
    assert json.loads(Path("a/log.jsonl").read_text().splitlines()[-1])["reason"] == "diverged"


def test_a_missing_gpu_is_rejected(capsys):
    Path("solver.txt").write_text(SOLVER + "solver_mode: GPU device_id: 1")
    assert run(["train", "small.net", "solver.txt", "--iterations", "1"]) == 0
    assert "), as the GPU 1 that solver_mode asks for is not here" in capsys.readouterr().out
    assert run(["train", "small.net", "solver.txt", "--iterations", "1", "--devices", "cpu"]) == 0
    assert "GPU" not in capsys.readouterr().out


def test_other_types_of_solver(capsys):
    Path("solver.txt").write_text(SOLVER + 'type: "Adam"')
    assert run(["train", "small.net", "solver.txt"]) == 0


def test_a_solver_without_max_iter_is_rejected(capsys):
    Path("solver.txt").write_text(SOLVER.replace("max_iter: 10", ""))
    assert run(["train", "small.net", "solver.txt"]) == 2
    assert "solver.txt has no max_iter" in capsys.readouterr().err
    assert run(["train", "small.net", "solver.txt", "--iterations", "1"]) == 0


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ('net: "gone.net"', "solver.txt: there is no file gone.net"),
        ('net: "small.net" weights: "gone"', "cannot read gone: No such"),
    ],
)
def test_missing_files_of_a_solver_are_rejected(more, says, capsys):
    Path("solver.txt").write_text(SOLVER + more)
    assert run(["train", "solver.txt"]) == 2
    assert says in capsys.readouterr().err


def test_missing_data_is_rejected(capsys):
    data = 'layer data: ImageData -> data, label { source: "here" batch_size: 2 transform_param { crop_size: 12 } }'
    Path("images.net").write_text(f"{data} layer fc: InnerProduct(data) {{ num_output: 3 }} layer loss: SoftmaxWithLoss(fc, label)")
    Path("solver.txt").write_text(SOLVER)
    assert run(["train", "images.net", "solver.txt", "--data", "nowhere"]) == 2
    assert "--data:1:15: error: ImageData data: there is no nowhere" in capsys.readouterr().err


def test_fields_without_effect_are_noted(capsys):
    Path("solver.txt").write_text(SOLVER + "debug_info: true snapshot_diff: true")
    run(["train", "small.net", "solver.txt", "--iterations", "1"])
    out = capsys.readouterr().out
    assert "debug_info has no effect" in out
    assert "snapshot_diff has no effect" in out


def test_tensorboard_has_the_numbers_of_the_log_and_goes_on(capsys):
    assert run(["train", "small.net", "solver.txt", "--iterations", "4", "--tensorboard", "--histograms"]) == 0
    assert "TensorBoard's events go to runs/small-1: tensorboard --logdir runs" in capsys.readouterr().out
    assert run(["train", "small.net", "solver.txt", "--iterations", "8", "--tensorboard", "--resume", "latest"]) == 0
    found = events_in("runs/small-1")
    tests = {(r["iteration"], "test/accuracy"): r["outputs"]["accuracy"] for r in read_log("runs/small-1") if r["event"] == "test"}
    assert {key: value for key, value in scalars_of(found).items() if key[1] == "test/accuracy"} == pytest.approx(tests)
    assert [one.step for one in found if one.HasField("session_log")] == [0, 5]
    assert {value.tag for one in found for value in one.summary.value if value.HasField("histo")} == {
        "conv/0",
        "conv/1",
        "fc/0",
        "fc/1",
    }


def test_histograms_alone_are_refused(capsys):
    assert run(["train", "small.net", "solver.txt", "--histograms"]) == 2
    assert capsys.readouterr().err == "error: --histograms goes with --tensorboard\n    give both\n"
    assert not Path("runs").exists()
