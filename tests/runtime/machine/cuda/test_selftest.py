"""selftest on machines with stand-in cards, right and broken ones, and on the CPU."""

from __future__ import annotations

import ctypes
import json
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import netdef
from netdef.cli import selftest
from netdef.cli.main import run
from netdef.language.find import models_folder
from runtime.selftest import nets, torch_alexnet, training
from runtime.selftest.report import torch_text
from tests.runtime.machine.cuda.conftest import TINY as TINY_LENET
from tests.runtime.machine.cuda.fake_cupy import Cards, CUDARuntimeError

MEANS = """
layer data: Input -> data, label { shape { dim: [6, 3, 8, 8] } shape { dim: 6 } }
layer conv1: Convolution(data) { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } }
layer pool2: Pooling(conv1) { pool: AVE kernel_size: 2 }
layer pool3: Pooling(pool2) { pool: AVE kernel_size: 3 stride: 2 }
layer fc: InnerProduct(pool3) { num_output: 5 weight_filler { type: "xavier" } }
layer loss: SoftmaxWithLoss(fc, label)
"""
FEW = "few.net"  # LeNet with few neurons
TINY = replace(TINY_LENET, nets=(TINY_LENET.nets[0], (FEW, 5)), trained=FEW, measured=FEW)
SMALL = replace(TINY, nets=TINY.nets[1:])


@pytest.fixture(autouse=True)
def few_neurons(small_run: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for sizes in ("CARD", "CPU"):
        monkeypatch.setattr(nets, sizes, TINY)
    text = (models_folder() / "lenet.net").read_text()
    Path(FEW).write_text(text.replace("num_output: 500", "num_output: 40").replace("num_output: 50 ", "num_output: 12 "))


def results() -> dict[str, Any]:
    return json.loads(Path("netdef-selftest.json").read_text())


@pytest.mark.slow
def test_a_card_that_computes_right_passes(machine: Callable[..., Cards], execute: Callable, capsys) -> None:
    machine(execute=execute, seed=0)
    assert run(["selftest", "--devices", "gpu:0"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^passed: gpu:0 \(Stand-in\) computes what the CPU does, in all \d+ instructions and in training$", out, re.M)
    report = results()
    assert report["passed"]
    assert {"kinds", "few", "solver types"} == set(report["agreement"])
    assert report["machine"]["capability"] == "8.6"
    assert {"kernel", "layer", "seconds", "bytes", "flops", "products"} == set(report["speed"]["kernels"][0])


@pytest.mark.slow
def test_a_selftest_takes_a_cards_options(machine: Callable[..., Cards], execute: Callable, monkeypatch, capsys) -> None:
    """tf32 rounds factors, so that more difference is allowed.  What goes wrong in PyTorch is reported and harms nothing."""
    monkeypatch.setattr(nets, "CARD", SMALL)
    trouble = {"version": "2.4", "error": "CUDA error: no kernel image"}
    monkeypatch.setattr(torch_alexnet, "measure", lambda *arguments: trouble)
    cards = machine(execute=execute, seed=0)
    assert run(["selftest", "--devices", "gpu:0", "--math", "tf32", "--workspace", "1", "--no-graph", "--out", "tf32.json"]) == 0
    report = json.loads(Path("tf32.json").read_text())
    assert report["machine"]["math"] == "tf32"
    assert report["training"]["allowed"] == 0.5
    assert {d["allowed"] for differences in report["agreement"].values() for d in differences} == {2e-3, 1e-5}
    assert cards.replayed == 0
    assert report["torch"] == trouble
    assert "PyTorch 2.4: not measured (CUDA error: no kernel image)" in capsys.readouterr().out
    rates = {"version": "2.4", "forward": 9000.4, "training": 3000.2}
    assert torch_text(rates) == "forward 9,000 images/s, training 3,000 images/s"


@pytest.mark.slow
def test_a_card_that_fails_leaves_a_file_to_send(machine: Callable[..., Cards], execute: Callable, capsys) -> None:
    def crashing(code: str, names: tuple[str, ...]) -> dict[str, Callable]:
        def crash(grid: Any, block: Any, arguments: Any) -> None:
            raise CUDARuntimeError(700, "cudaErrorIllegalAddress: an illegal memory access was encountered")

        return {name: crash if name.startswith("pool_ave") else kernel for name, kernel in execute(code, names).items()}

    machine(execute=crashing, seed=0)
    assert run(["selftest", "--devices", "gpu:0"]) == 2
    captured = capsys.readouterr()
    assert "error: gpu:0 (Stand-in) failed: cudaErrorIllegalAddress" in captured.err
    assert captured.out.endswith("what is known is in netdef-selftest.json\n")
    assert not results()["passed"]
    assert "cudaErrorIllegalAddress" in results()["error"]
    assert results()["machine"]["capability"] == "8.6"
    assert results()["agreement"] == {}


@pytest.mark.slow
def test_what_nobody_thought_of_leaves_a_file_to_send_too(machine: Callable[..., Cards], execute: Callable, monkeypatch) -> None:
    machine(execute=execute, seed=0)

    def surprise(*arguments: Any, **options: Any) -> Any:
        raise TypeError("cupy takes no such thing")

    monkeypatch.setattr(training, "train", surprise)
    with pytest.raises(TypeError):
        selftest.selftest(selftest.Options(devices="gpu:0"), sizes=SMALL)
    assert not results()["passed"]
    assert set(results()["agreement"]) == {"few", "solver types"}
    assert "TypeError: cupy takes no such thing" in results()["traceback"][-1]


@pytest.mark.slow
def test_training_that_diverges_on_a_card_is_a_difference(
    machine: Callable[..., Cards], execute: Callable, monkeypatch, capsys
) -> None:
    """A kernel that makes rubbish is named, although training with it ends early."""

    def broken(code: str, names: tuple[str, ...]) -> dict[str, Callable]:
        kernels = execute(code, names)

        def softmax(right: Callable, grid: Any, block: Any, arguments: Any) -> None:
            right(grid, block, arguments)
            ctypes.memset(arguments[1], 0xFF, 4)

        return kernels | {name: partial(softmax, kernels[name]) for name in names if name.startswith("softmax_forward")}

    monkeypatch.setattr(nets, "CARD", SMALL)
    machine(execute=broken, seed=0)
    assert run(["selftest", "--devices", "gpu:0"]) == 1
    out = capsys.readouterr().out
    assert re.search(r"^    DIFFERS: layer loss: .*softmax_forward", out, re.M)
    assert re.search(r"^FAILED: \d+ of \d+ instructions differ and training comes to other weights", out, re.M)
    assert results()["training"]["weights"] is None


def test_the_network_that_pytorch_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch_alexnet, "WARM_UP", 0)
    net = torch_alexnet.alexnet(torch)
    counts = [parameter.count for parameter in netdef.load("alexnet").parameters]
    assert sum(parameter.numel() for parameter in net.parameters()) == sum(counts)
    assert set(torch_alexnet.images_per_second(torch, torch.device("cpu"), lambda: None, 1, 1)) == {"forward", "training"}


@pytest.mark.slow
def test_a_kernel_that_is_wrong_fails_and_is_named(
    machine: Callable[..., Cards], execute: Callable, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    def broken(code: str, names: tuple[str, ...]) -> dict[str, Callable]:
        kernels = execute(code, names)
        wrong = {name: kernel for name, kernel in kernels.items() if name.startswith("pool_ave_forward")}
        return {**kernels, **{name: lambda grid, block, arguments: None for name in wrong}}

    Path("means.net").write_text(MEANS)
    monkeypatch.setattr(nets, "CARD", replace(TINY, nets=(("means.net", 6),)))
    machine(execute=broken, seed=0)
    assert run(["selftest", "--devices", "gpu:0"]) == 1
    out = capsys.readouterr().out
    assert re.search(r"^FAILED: 2 of \d+ instructions differ", out, re.M)
    assert len(re.findall(r"^    DIFFERS: layer pool[23]: .*pool_ave_forward", out, re.M)) == 2
    assert not results()["passed"]


@pytest.mark.slow
def test_the_cpu_is_held_against_one_of_its_threads(capsys) -> None:
    assert run(["selftest", "--devices", "cpu", "--out", "here.json"]) == 0
    assert "computes what one thread does" in capsys.readouterr().out
    assert Path("here.json").exists()
