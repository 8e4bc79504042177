"""devices, time and train on machines with stand-in cards, with broken ones, and without any."""

from __future__ import annotations

import ctypes
import json
import pwd
import re
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import netdef
from netdef.cli.main import run
from netdef.cli.running import RunOptions
from runtime.machine.cuda import cards as cuda_cards
from runtime.machine.cuda import gemm as cuda_gemm
from runtime.machine.cuda.device import CudaDevice
from runtime.machine.open import Choice, describe, open_device, open_devices
from tests.runtime.machine.cuda.fake_cupy import Cards, CUDARuntimeError
from tests.runtime.solver.nets import SOLVER

REAL_LOADER = cuda_gemm.load_library
pytestmark = pytest.mark.usefixtures("small_run")


def without_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)


def failing(monkeypatch: pytest.MonkeyPatch, error: Exception | None, driver: int, built: int = 12090) -> None:
    """A CuPy whose driver shows no cards, and fails or says so."""

    def fail() -> int:
        if error is None:
            return 0
        raise error

    cupy = ModuleType("cupy")
    runtime = type("runtime", (), {"getDeviceCount": fail, "driverGetVersion": lambda: driver, "runtimeGetVersion": lambda: built})
    cupy.cuda = type("cuda", (), {"runtime": runtime})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cupy", cupy)


# netdef devices


def test_a_machine_with_two_cards(machine: Callable[..., Cards], capsys) -> None:
    machine(count=2, memory=2 << 30)
    assert run(["devices"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^cpu:0 .*: \d+ cores, .* memory$", out, re.M)
    card = "Stand-in: compute capability 8.6, 8 multiprocessors, 2.00 GiB memory, 2.00 GiB free\n       reaches the memory of"
    assert f"gpu:0  {card} gpu:1\ngpu:1  {card} gpu:0\n" in out


def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CuPy that fails with what it says in such a case, a picture of what is installed among it."""
    cause = ImportError("libnvrtc.so.12: cannot open shared object file: No such file or directory")
    banner = ImportError("\n" + "=" * 64 + "\nFailed to import CuPy.\n\nIf you installed CuPy via wheels ...")

    def fail(name: str) -> ModuleType:
        raise banner from cause

    monkeypatch.setattr(cuda_cards, "import_module", fail)


def left_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of CuPy's name without CuPy, which can be imported all the same."""
    folder = ModuleType("cupy")
    folder.__path__ = ["/site-packages/cupy"]
    monkeypatch.setitem(sys.modules, "cupy", folder)


INSUFFICIENT = CUDARuntimeError(35, "cudaErrorInsufficientDriver: CUDA driver version is insufficient for CUDA runtime version")
NO_DEVICE = CUDARuntimeError(100, "cudaErrorNoDevice: no CUDA-capable device is detected")
UNKNOWN = CUDARuntimeError(999, "cudaErrorUnknown: why\nmore")
TROUBLES = [  # what is wrong, what is said of it, and whether a run that nobody sent to a GPU says it too
    (without_cupy, "CuPy is not installed", False),
    (broken, "CuPy cannot be imported (libnvrtc.so.12: cannot open shared object file: No such file or directory)", True),
    (left_over, "CuPy is not installed, /site-packages/cupy is not it", True),
    (lambda m: failing(m, INSUFFICIENT, 0), "there is no NVIDIA driver on this machine", False),
    (lambda m: failing(m, INSUFFICIENT, 11080), "the NVIDIA driver supports CUDA 11.8, CuPy was built for 12.9", True),
    (lambda m: failing(m, NO_DEVICE, 12090), "there is no NVIDIA card on this machine, or CUDA_VISIBLE_DEVICES hides it", False),
    (lambda m: failing(m, None, 12090), "there is no NVIDIA card on this machine, or CUDA_VISIBLE_DEVICES hides it", False),
    (lambda m: failing(m, UNKNOWN, 12090), "cudaErrorUnknown: why", True),
]


@pytest.mark.parametrize(("spoil", "says", "unasked"), TROUBLES)
def test_why_there_is_no_card(monkeypatch: pytest.MonkeyPatch, capsys, spoil: Callable, says: str, unasked: bool) -> None:
    spoil(monkeypatch)
    assert run(["devices"]) == 0
    assert f"gpu    no GPU can be used: {says}\n" in capsys.readouterr().out
    assert run(["train", "small.net", "solver.txt", "--devices", "gpu:0"]) == 2
    error = capsys.readouterr().err
    assert error.splitlines()[0] == f"error: no GPU can be used: {says}"
    assert "Traceback" not in error
    assert not Path("runs").exists() or not list(Path("runs").iterdir())
    why = re.escape(f", as no GPU can be used: {says}") if unasked else ""
    assert run(["train", "small.net", "solver.txt", "--iterations", "1"]) == 0
    captured = capsys.readouterr()
    assert re.fullmatch(rf"running on cpu:0 \(\d+ threads?\){why}", captured.out.splitlines()[0])
    assert (captured.out + captured.err).count("GPU") == unasked
    assert run(["time", "lenet", "--batch", "2", "--iterations", "1"]) == 0
    assert re.fullmatch(rf"running on cpu:0 \(\d+ threads?\){why}\n", capsys.readouterr().err)


@pytest.mark.slow
@pytest.mark.parametrize("library", ["cuBLAS", "NVRTC"])
def test_a_toolkit_that_is_not_there(machine: Callable[..., Cards], monkeypatch: pytest.MonkeyPatch, capsys, library: str) -> None:
    """CuPy and the driver are, yet nothing could be computed."""
    machine()

    real = ctypes.CDLL

    def missing(name: str = "libcublas", *arguments: Any, **options: Any) -> Any:
        if "libcublas" not in str(name):
            return real(name, *arguments, **options)
        raise OSError("libnvrtc.so.12: cannot open shared object file")

    if library == "NVRTC":
        monkeypatch.setattr(sys.modules["cupy"].cuda.nvrtc, "getVersion", missing)  # type: ignore[attr-defined]
    else:
        monkeypatch.setattr(ctypes, "CDLL", missing)
        monkeypatch.setitem(sys.modules, "cupy_backends.cuda.libs", SimpleNamespace(cublas=None))
        for name in ("cuda.device", "cuda.gemm", "listing"):
            monkeypatch.setattr(import_module(f"runtime.machine.{name}"), "load_library", REAL_LOADER)
    says = f"no GPU can be used: {library} cannot be loaded (libnvrtc.so.12: cannot open shared object file)"
    assert run(["devices"]) == 0
    assert f"gpu    {says}\n       it comes with CUDA's toolkit: pip install" in capsys.readouterr().out
    assert run(["time", "lenet", "--devices", "gpu:0"]) == 2
    assert f"error: {says}\n" in capsys.readouterr().err
    assert run(["time", "lenet", "--batch", "2", "--iterations", "1"]) == 0
    assert re.fullmatch(rf"running on cpu:0 \(.*\), as {re.escape(says)}\n", capsys.readouterr().err)


def test_an_old_card_is_named_as_such(machine: Callable[..., Cards], capsys) -> None:
    machine(capability=(6, 1))
    assert run(["devices"]) == 0
    assert "cannot be used: its compute capability is 6.1, the kernels need 7.0" in capsys.readouterr().out
    assert run(["train", "small.net", "solver.txt", "--iterations", "1"]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("running on cpu:0 (")
    assert first.endswith("), as gpu:0 (Stand-in) cannot be used: its compute capability is 6.1, the kernels need 7.0")


def test_only_the_card_that_is_used_is_touched(machine: Callable[..., Cards], monkeypatch, capsys) -> None:
    """On the others a context would take some hundred megabytes, from whoever works there."""
    machine(count=4)
    cuda, touched = sys.modules["cupy"].cuda, []  # type: ignore[attr-defined]
    enter = cuda.Device.__enter__
    monkeypatch.setattr(cuda.Device, "__enter__", lambda device: (touched.append(device.id), enter(device))[1])
    assert run(["time", "lenet", "--devices", "gpu:4"]) == 2
    assert "there is no gpu:4\n    this machine has gpu:0, gpu:1, gpu:2, gpu:3" in capsys.readouterr().err
    assert describe("gpu:2") == "gpu:2 (Stand-in)"
    open_device("gpu:2").close()
    assert set(touched) == {2}


def test_a_card_that_another_process_holds_for_itself(machine: Callable[..., Cards], monkeypatch, capsys) -> None:
    machine()

    def busy() -> tuple[int, int]:
        raise CUDARuntimeError(46, "cudaErrorDevicesUnavailable: CUDA-capable device(s) is/are busy or unavailable")

    monkeypatch.setattr(sys.modules["cupy"].cuda.runtime, "memGetInfo", busy)  # type: ignore[attr-defined]
    assert run(["devices"]) == 0
    assert "       cannot be used: cudaErrorDevicesUnavailable: CUDA-capable" in capsys.readouterr().out
    assert run(["time", "lenet", "--devices", "gpu:0"]) == 2
    assert "error: gpu:0 (Stand-in) cannot be used: cudaErrorDevicesUnavailable" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("devices", "says"),
    [
        ("gpu:2", "there is no gpu:2\n    this machine has gpu:0"),
        ("tpu", "there is no device 'tpu'"),
        ("gpu:3-1", "gpu:3-1 is an empty range"),
    ],
)
def test_devices_that_are_not_there(machine: Callable[..., Cards], capsys, devices: str, says: str) -> None:
    machine()
    for command in (["train", "small.net", "solver.txt"], ["time", "small.net"], ["selftest"]):
        assert run([*command, "--devices", devices]) == 2
        assert says in capsys.readouterr().err


# netdef train


@pytest.mark.slow
def test_training_goes_to_the_card_if_nobody_says_otherwise(machine: Callable[..., Cards], execute: Callable, capsys) -> None:
    cards = machine(execute=execute, seed=1)
    assert run(["train", "small.net", "solver.txt", "--out", "card"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0] == "running on gpu:0 (Stand-in)"
    assert "training small on gpu:0, batches of 8" in out
    assert "compiling kernels for this machine" in out
    assert cards.replayed > 0
    assert run(["train", "small.net", "solver.txt", "--out", "cpu", "--devices", "cpu"]) == 0
    compare("card", "cpu", 10)
    records = [[json.loads(line) for line in Path(f"{run}/log.jsonl").read_text().splitlines()] for run in ("card", "cpu")]
    losses = [[r["loss"] for r in log if r["event"] in ("train", "test") and r.get("due", True)] for log in records]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_a_card_without_graphs_is_reported_in_one_line(
    machine: Callable[..., Cards], execute: Callable, monkeypatch, capsys
) -> None:
    machine(execute=execute, seed=1)

    def fail(stream: Any, mode: Any = None) -> None:
        raise CUDARuntimeError(801, "cudaErrorNotSupported: operation not supported\n")

    monkeypatch.setattr(sys.modules["cupy"].cuda.Stream, "begin_capture", fail)  # type: ignore[attr-defined]
    assert run(["train", "small.net", "solver.txt", "--iterations", "4"]) == 0
    said = [line for line in capsys.readouterr().err.splitlines() if line]
    assert said == ["note: no CUDA graphs, every kernel is launched by itself: cudaErrorNotSupported: operation not supported"]


def compare(a: str, b: str, iteration: int) -> None:
    from netdef.weights import read_weights

    one, other = (read_weights(f"{folder}/small_iter_{iteration}.caffemodel") for folder in (a, b))
    for layer, arrays in one.items():
        for mine, theirs in zip(arrays, other[layer], strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_a_run_begun_on_a_card_goes_on_on_the_cpu(machine: Callable[..., Cards], execute: Callable, capsys) -> None:
    machine(execute=execute, seed=1)
    assert run(["train", "small.net", "solver.txt", "--out", "moved", "--iterations", "4", "--no-graph"]) == 0
    assert run(["train", "small.net", "solver.txt", "--out", "again", "--iterations", "1"]) == 0
    assert capsys.readouterr().out.count("compiling kernels") == 1
    assert run(["train", "small.net", "solver.txt", "--out", "moved", "--resume", "latest", "--devices", "cpu"]) == 0
    assert run(["train", "small.net", "solver.txt", "--out", "cpu", "--devices", "cpu"]) == 0
    compare("moved", "cpu", 10)


@pytest.mark.slow
def test_what_cupy_does_not_keep_is_compiled_anew(machine: Callable[..., Cards], execute: Callable, monkeypatch, capsys) -> None:
    machine(execute=execute, seed=1)
    for version, times in (("13.6.0", 2), ("14.1.1", 2), ("14.2.0", 1), ("15.0.0a1", 1)):
        monkeypatch.setattr(sys.modules["cupy"], "__version__", version)
        for number in range(2):
            assert run(["train", "small.net", "solver.txt", "--out", f"{version}-{number}", "--iterations", "1"]) == 0
        said = capsys.readouterr().out.count("compiling kernels")
        assert said == times, version


def test_a_user_without_a_home_may_use_a_card(machine: Callable[..., Cards], monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that is run under a number that nobody has."""

    def unknown(number: int) -> Any:
        raise KeyError(number)

    machine()
    for name in ("HOME", "CUPY_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    with pytest.raises(RuntimeError):
        Path.home()
    device = CudaDevice(0)
    device.kernels.want("elementwise.cu", "relu_forward<4>")
    assert not device.kernels_known


def test_the_solver_may_choose(machine: Callable[..., Cards], execute: Callable, capsys) -> None:
    machine(count=2, execute=execute)
    for mode, where in (("CPU", "cpu:0"), ("GPU device_id: 1", "gpu:1"), ("GPU device_id: 7", "cpu:0")):
        Path("solver.txt").write_text(SOLVER + f"solver_mode: {mode}")
        assert run(["train", "small.net", "solver.txt", "--iterations", "1"]) == 0
        assert capsys.readouterr().out.startswith(f"running on {where} (")


def test_a_card_that_fails_is_one_line(machine: Callable[..., Cards], execute: Callable, capsys) -> None:
    def failing_kernels(code: str, names: tuple[str, ...]) -> dict[str, Callable]:
        def fail(grid: Any, block: Any, arguments: Any) -> None:
            raise CUDARuntimeError(700, "cudaErrorIllegalAddress: an illegal memory access was encountered")

        return {name: fail if name.startswith("softmax_loss") else kernel for name, kernel in execute(code, names).items()}

    machine(execute=failing_kernels, seed=3)
    assert run(["train", "small.net", "solver.txt"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: gpu:0 (Stand-in) failed: cudaErrorIllegalAddress: an illegal memory access")
    assert "Traceback" not in error


# netdef time


@pytest.mark.slow
def test_times_on_a_card_beside_the_floor(machine: Callable[..., Cards], execute: Callable, capsys) -> None:
    machine(execute=execute, seed=0)
    assert run(["time", "lenet", "--batch", "4", "--iterations", "2"]) == 0
    captured = capsys.readouterr()
    assert captured.err.startswith("running on gpu:0 (Stand-in)")
    layers = [line.split()[0] for line in captured.out.splitlines()[2:-2]]
    assert layers == ["mnist", "conv1", "pool1", "conv2", "pool2", "ip1", "relu1", "ip2", "loss", "all"]
    assert re.search(r"^an iteration takes [\d.,]+ ms: [\d,]+ images/s$", captured.out, re.M)


def test_times_on_the_cpu(capsys) -> None:
    assert run(["time", "lenet", "--batch", "4", "--iterations", "1", "--phase", "test", "--devices", "cpu"]) == 0
    out = capsys.readouterr().out
    assert "backward" not in out
    assert "GFLOP/s (a large matrix product), measured here" in out


def test_a_card_that_fails_to_open_closes_the_others(machine: Callable[..., Cards], monkeypatch: pytest.MonkeyPatch) -> None:
    machine(count=2)
    closed: list[str] = []
    real = CudaDevice.close

    def close(device: CudaDevice) -> None:
        closed.append(device.name)
        real(device)

    monkeypatch.setattr(CudaDevice, "close", close)
    with pytest.raises(netdef.NetdefError, match="gpu:2"):
        open_devices("gpu:0,gpu:1,gpu:2")
    assert closed == ["gpu:0", "gpu:1"]


@pytest.mark.parametrize(("math", "notes"), [("bf16", 1), ("tf32", 0), (None, 0)])
def test_ranks_say_that_their_blobs_are_float32(machine: Callable[..., Cards], math: str | None, notes: int) -> None:
    machine()
    said = RunOptions(math=math).notes(Choice("gpu:0"), SimpleNamespace(rank=0, text=lambda: "2 ranks", threads=1))  # type: ignore[arg-type]
    assert sum("blobs are float32 where ranks train together" in note for note in said) == notes
    assert not any("float32" in note for note in RunOptions(math=math).notes(Choice("gpu:0")))


def test_options_that_cards_have_no_use_for(machine: Callable[..., Cards], capsys) -> None:
    machine(capability=(7, 5))
    assert RunOptions(devices="gpu:0", threads=2, math="tf32", no_graph=True).choose() == "gpu:0"
    assert capsys.readouterr().err.splitlines() == [
        "running on gpu:0 (Stand-in)",
        "--threads 2 has no effect: it is about CPU devices",
        "--math tf32 has no effect: Stand-in has no tensor cores for it",
    ]


def test_predictions_need_no_card(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    without_cupy(monkeypatch)
    totals = {}
    for name, card, math in (("h100", "h100", []), ("t4", "t4", []), ("fp32", "h100", ["--math", "fp32"])):
        assert run(["time", "alexnet", "--batch", "128", "--predict", card, *math]) == 0
        out = capsys.readouterr().out
        totals[name] = float(re.search(r"an iteration takes ([\d.,]+) ms or more", out)[1].replace(",", ""))
        assert "computed, not measured" in out
        assert "data sheet" in out
    products = 3 * 2 * 128 * 724_406_816 - 2 * 128 * 105_415_200  # forward twice over backward, but no gradient for the images
    assert totals["fp32"] > products / 67e12 * 1e3
    assert totals["t4"] / totals["fp32"] == pytest.approx(67 / 8.1, rel=0.15)
    assert products / 165e12 * 1e3 < totals["h100"] < 0.6 * totals["fp32"]  # 3xtf32, where it is faster
    assert run(["time", "alexnet", "--predict", "h10"]) == 2
    assert "did you mean h100" in capsys.readouterr().err


def test_the_table_adds_up(capsys) -> None:
    """Each layer's total is the sum of its lists', the last line that of the layers'; in testing there is one list.

    Whole waves take longer.
    """
    assert run(["time", "lenet", "--predict", "t4"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split() for line in lines[2:-3]]
    assert lines[1].split()[-6:] == ["total", "ms", "in", "waves", "ms", "floor"] and rows[-1][0] == "all"
    for *row, waves, share in rows:
        assert float(row[-1]) == pytest.approx(sum(map(float, row[3:-1:3])), abs=0.002), row
        assert float(row[-1]) <= float(waves) and 0 < int(share.removesuffix("%")) <= 100
    assert float(rows[-1][-3]) == pytest.approx(sum(float(row[-3]) for row in rows[:-1]), abs=0.005)
    assert f"{rows[-1][-2]} ms where the last wave" in lines[-2]
    assert run(["time", "lenet", "--predict", "t4", "--phase", "test"]) == 0
    assert "total" not in capsys.readouterr().out
