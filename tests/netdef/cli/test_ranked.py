"""`mpirun -n 2 netdef train`: real processes, whose files are those of one, and whose errors are on the screen once."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from netdef.cli.main import run
from tests.paths import ROOT

MPIRUN = next(
    (str(path) for path in (Path(sys.executable).parent / "mpirun", Path(sys.prefix) / "bin/mpirun") if path.exists()),
    shutil.which("mpirun"),
)
IS_OPEN_MPI = MPIRUN is not None and "Open MPI" in subprocess.run([MPIRUN, "--version"], capture_output=True, text=True).stdout
START = [str(MPIRUN), *(["--oversubscribe"] if IS_OPEN_MPI else [])]  # MPICH's starts more ranks than cores without being asked
pytestmark = pytest.mark.skipif(MPIRUN is None or find_spec("mpi4py") is None, reason="there is no mpirun, or no mpi4py")

NET = """
name: "small"
layer data: DummyData -> data, label {
  dummy_data_param {
    shape { dim: 6 dim: 5 } shape { dim: 6 }
    data_filler { type: "gaussian" std: 1 } data_filler { type: "uniform" min: 0 max: 2.9 }
  }
}
layer drop: Dropout(data)
layer fc: InnerProduct(drop) { num_output: 3 weight_filler { type: "xavier" } }
layer loss: SoftmaxWithLoss(fc, label)
test layer accuracy: Accuracy(fc, label)
"""
SOLVER = 'base_lr: 0.02 lr_policy: "fixed" momentum: 0.9 random_seed: 5 display: 2 test_iter: 2 test_interval: 3 snapshot: 3 '
TRAIN = [sys.executable, "-m", "netdef", "train", "small.net", "solver.txt", "--split", "batch", "--out", "run"]


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two folders, `one` and `two`, with the same files; `one` is the current one."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "small.net").write_text(NET)
        (tmp_path / name / "solver.txt").write_text(SOLVER + "max_iter: 6")
    monkeypatch.chdir(tmp_path / "one")
    for name in ("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def mpirun(*words: str, cwd: str = "../two") -> subprocess.CompletedProcess[str]:
    command = [*START, *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


def snapshots(folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(folder, "run").glob("small_iter_*")}


@pytest.mark.slow
def test_two_processes_write_the_files_of_one(capfd: pytest.CaptureFixture[str]) -> None:
    ran = mpirun("-n", "2", *TRAIN)
    assert ran.returncode == 0, ran.stderr
    assert run([*TRAIN[3:], "--devices", "cpu:0,cpu:0"]) == 0
    assert len(snapshots(".")) == 6
    assert snapshots("../two") == snapshots(".")
    assert ran.stdout.startswith("2 ranks on ")
    alone = capfd.readouterr().out
    for word in ("reading small.net", "training small on", "iteration      0  test", "snapshot run/small_iter_6", "done:"):
        assert ran.stdout.count(word) == alone.count(word) == 1, ran.stdout


AGENT = """#!/bin/sh
# In the place of ssh: the command runs on this machine, which has the host's name for it.
host=$1; shift
exec unshare --uts sh -c 'hostname "$0"; eval "$*"' "$host" "$@"
"""


@pytest.mark.slow
@pytest.mark.skipif(not IS_OPEN_MPI, reason="the way to start hosts is Open MPI's")
def test_hybrid_finds_the_nodes_of_two_hosts() -> None:
    """Two daemons of mpirun on this machine, each in a namespace with a host name of its own: MPI finds two nodes."""
    if subprocess.run(["unshare", "--uts", "hostname", "a"], capture_output=True).returncode:
        pytest.skip("no namespace for another host name may be made here")
    for folder in (Path(), Path("../two")):
        wide = NET.replace("num_output: 3", "num_output: 8").replace("dim: 6", "dim: 8")
        (folder / "small.net").write_text(wide.replace("layer loss", "layer relu: ReLU(fc) -> fc\nlayer loss"))
    Path("agent").write_text(AGENT)
    Path("agent").chmod(0o700)
    hybrid = [word.replace("batch", "hybrid") for word in TRAIN]
    hosts = ["--prtemca", "plm_ssh_agent", str(Path("agent").resolve()), "--host", "first:2,second:2", "--map-by", "ppr:2:node"]
    ran = mpirun(*hosts, "-n", "4", *hybrid)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("4 ranks on 2 hosts (first: 2, second: 2)")
    assert run([*hybrid[3:], "--devices", "cpu:0,cpu:0,cpu:0,cpu:0", "--nodes", "2"]) == 0
    two = snapshots(".")
    assert snapshots("../two") == two
    shutil.rmtree("run")
    assert run([*hybrid[3:], "--devices", "cpu:0,cpu:0,cpu:0,cpu:0"]) == 0
    assert snapshots(".") != two


@pytest.mark.slow
def test_mpi_adds_up_gradients_itself() -> None:
    found = [mpirun("-n", "3", *TRAIN[:-1], out, "--reduce", "fast") for out in ("run", "again")]
    assert [one.returncode for one in found] == [0, 0], found[0].stderr
    assert found[0].stdout.count("note: with --reduce fast, the last bits of sums of gradients depend on the number of ranks") == 1
    first, again = (Path("../two", out, "small_iter_6.caffemodel").read_bytes() for out in ("run", "again"))
    assert first == again
    refused = mpirun("-n", "2", *TRAIN[:-1], "none", "--reduce", "fast", "--gradients", "bf16")
    assert refused.returncode == 2 and refused.stderr.count("--gradients bf16 and --reduce fast exclude each other") == 1


def test_an_error_of_one_rank_is_shown_once() -> None:
    other = Path("../two/solver.txt")
    other.write_text(other.read_text().replace("0.02", "0.03"))
    ran = mpirun("-n", "1", *TRAIN, ":", "-n", "1", "-wdir", str(Path("../two").resolve()), *TRAIN, cwd=".")
    assert ran.returncode == 2
    errors = [line for line in ran.stderr.splitlines() if line.startswith("error:")]  # mpirun has lines of its own
    assert len(errors) == 1, ran.stderr
    assert errors[0].startswith("error: rank 1 on ") and "has another solver (solver.txt) than rank 0" in errors[0]
    assert "Traceback" not in ran.stderr
    assert not Path("run").exists()


RANK = "OMPI_COMM_WORLD_RANK" if IS_OPEN_MPI else "PMI_RANK"


def ranks_of(job: subprocess.Popen[str]) -> Iterator[tuple[int, int]]:
    """The processes of a job, and their ranks."""
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            values = dict(line.split("=", 1) for line in path.read_text().split("\0") if "=" in line)
            command = (path.parent / "cmdline").read_text()
        except (OSError, UnicodeDecodeError):
            continue
        if RANK in values and values.get("JOB") == str(job.args) and "netdef" in command:
            yield int(path.parent.name), int(values[RANK])


@pytest.mark.slow
def test_a_killed_rank_ends_the_job_and_the_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("solver.txt").write_text(SOLVER + "max_iter: 100000")
    command = [*START, "-n", "3", *TRAIN]
    monkeypatch.setenv("JOB", str(command))
    job = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not list(Path("run").glob("*_6.solverstate")):
        assert job.poll() is None
        time.sleep(0.1)
    (process,) = [process for process, rank in ranks_of(job) if rank == 1]
    os.kill(process, signal.SIGKILL)
    said = "".join(job.communicate(timeout=30))
    assert job.returncode
    assert ("rank 1" if IS_OPEN_MPI else f"PID {process} RUNNING AT") in said  # MPICH's names the process and the host
    Path("solver.txt").write_text(SOLVER + "max_iter: 9")
    for path in Path("run").glob("small_iter_*"):
        if "_3." not in path.name:
            path.unlink()
    assert run([*TRAIN[3:], "--devices", "cpu:0,cpu:0,cpu:0", "--resume", "latest"]) == 0
    resumed = snapshots(".")["small_iter_9.caffemodel"]
    shutil.rmtree("run")
    assert run([*TRAIN[3:], "--devices", "cpu:0,cpu:0,cpu:0"]) == 0
    assert snapshots(".")["small_iter_9.caffemodel"] == resumed


@pytest.mark.slow
@pytest.mark.skipif(not IS_OPEN_MPI, reason="the MPI has no User-Level Failure Mitigation")
def test_other_ranks_go_on_to_the_numbers_of_a_run_resumed_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    text = SOLVER.replace("snapshot: 3", "snapshot: 300").replace("test_interval: 3", "test_interval: 3000")
    Path("solver.txt").write_text(text + "max_iter: 1200")
    command = [str(MPIRUN), "--with-ft", "ulfm", "--oversubscribe", "-n", "3", *TRAIN, "--elastic"]
    monkeypatch.setenv("JOB", str(command))
    job = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not list(Path("run").glob("*_300.solverstate")):
        assert job.poll() is None
        time.sleep(0.05)
    (process,) = [process for process, rank in ranks_of(job) if rank == 0]
    os.kill(process, signal.SIGKILL)
    out, errors = job.communicate(timeout=100)
    assert job.returncode == 0, errors
    assert errors.count("2 ranks on") == 1 and "rank 0 on" in errors
    last = snapshots(".")["small_iter_1200.caffemodel"]
    resumed = next(line.split()[-1] for line in out.splitlines() if line.startswith("resuming from"))
    for path in Path("run").glob("small_iter_*"):
        if not path.name.startswith(Path(resumed).stem + "."):
            path.unlink()
    assert run([*TRAIN[3:], "--devices", "cpu:0,cpu:0", "--resume", resumed]) == 0
    assert snapshots(".")["small_iter_1200.caffemodel"] == last
