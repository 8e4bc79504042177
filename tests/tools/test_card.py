"""tools/card.sh: its steps on the stand-in for a card, and the script with an interpreter that only notes what it is asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.paths import ROOT

STEPS = ("versions", "products", "memory", "torch", "train")
SLOW = ("cases", "few", "selftest", "bits", "speed", "once", "input")
# What stands for Python in the script: results are kept by the real one, "bits" fails, "torch" takes too long.
PYTHON = """#!/bin/sh
case "$1" in
*card_results.py) exec {python} "$@" ;;
esac
echo "ran $*"
case "$*" in
*" bits") exit 3 ;;
*" torch") exit 124 ;;
esac
"""


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module of steps, which a script imports from its own folder."""
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    return __import__("card_steps")


def run(steps: Any, folder: Path, name: str, *arguments: str) -> dict[str, Any]:
    steps.main([str(folder), name, "--stand-in", *arguments])
    return __import__("card_results").read(folder)


@pytest.mark.parametrize("name", [*STEPS, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_steps_on_the_stand_in(steps: Any, tmp_path: Path, name: str) -> None:
    found = run(steps, tmp_path, name, "--math", "fp32")
    results = found.get({"few": "memcheck", "selftest": "selftest-fp32", "speed": "speed-fp32"}.get(name, name), {})
    checks = {
        "versions": lambda: results["device"].startswith("gpu:0"),
        "selftest": lambda: results["passed"],
        "cases": lambda: results["run"] == results["agree"] > 30 and results["beside"] == 0 and not results["wrong"],
        "few": lambda: results["run"] == results["agree"] == 5,
        "bits": lambda: [*results["equal"].values()] == [True] * 4 and results["shares"]["agrees"] and results["shares"]["weights"],
        "speed": lambda: (
            results["training"] > 0
            and results["graphs_ran"]
            and len(results["training_seconds"]) == 2
            and results["memory_taken"] == results["memory_planned"] > 0
        ),
        "products": lambda: results["rows"][0]["layer"] == "ip2",
        "memory": lambda: {"pool_max_forward", "pool_max_backward"} <= {row["kernel"] for row in results["rows"]},
        "once": lambda: not results,
        "torch": lambda: all("error" in row for row in results["rates"].values()),
        "train": lambda: results["iterations"] == 3 and results["last_loss"] < 5,
        "input": lambda: results["images"] > 0 and results["made"] > 0,
    }
    assert checks[name](), found
    table = __import__("card_results").table(found)
    assert name == "once" or "incomplete" not in table, table


def test_a_write_beside_an_array_is_seen(steps: Any) -> None:
    kernels, stand_in = __import__("card_kernels"), __import__("card_stand_in").stand_in
    with stand_in():
        device = kernels.CudaDevice(0)
        one = kernels.guarded(device, np.ones(5, np.float32), 4)
        assert kernels.intact(device, one)
        memory, array, before = one
        for at in (before - 1, before + array.nbytes):
            device.write(device.array(memory, at, (1,), "uint8"), np.zeros(1, np.uint8))
            assert not kernels.intact(device, one)
            device.write(device.array(memory, at, (1,), "uint8"), np.full(1, kernels.PATTERN, np.uint8))
        assert kernels.intact(device, one)
        device.close()


def test_no_step_is_fatal(tmp_path: Path) -> None:
    """Each one runs, what fails and what takes too long is noted, and the table comes last."""
    python, folder = tmp_path / "python", tmp_path / "results"
    python.write_text(PYTHON.format(python=sys.executable))
    python.chmod(0o755)
    environment = {**os.environ, "PYTHON": str(python)}
    command = ["bash", "tools/card.sh", str(folder), "--stand-in"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads((folder / "card.json").read_text())
    assert found["bits"]["ended"] == "FAILED with exit code 3"
    assert found["torch"]["ended"] == "out of time after 60 s"
    assert found["versions"]["ended"] == found["input"]["ended"] == "done"
    assert {"memcheck", "racecheck", "ncu", "train", "memory", "products", "speed-tf32", "selftest-fp32"} <= set(found)
    assert len(list(folder.iterdir())) <= 8
    table = (folder / "table.txt").read_text()
    assert done.stdout.endswith(table) and "FAILED with exit code 3" in table
    assert "ran tools/card_steps.py --stand-in" in (folder / "log.txt").read_text()


def test_a_budget_ends_the_steps(tmp_path: Path) -> None:
    """What has no time left is noted as not run."""
    python = tmp_path / "python"
    python.write_text(PYTHON.format(python=sys.executable))
    python.chmod(0o755)
    environment = {**os.environ, "PYTHON": str(python), "BUDGET": "0", "STEPS": "versions train"}
    done = subprocess.run(["bash", "tools/card.sh", str(tmp_path)], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and "versions  " in done.stdout
    assert {
        step: found["ended"] for step, found in json.loads((tmp_path / "card.json").read_text()).items() if step == "train"
    } == {"train": "NOT RUN: no time is left"}


def test_a_missing_card_is_one_line(steps: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(SystemExit) as ended:
        steps.main([str(tmp_path), "versions"])
    assert ended.value.code == 2 and capsys.readouterr().err.startswith("error: no GPU can be used: CuPy is not installed")
    results = __import__("card_results")
    assert "no GPU can be used" in results.table(results.read(tmp_path))


def test_without_a_folder_it_says_how_it_is_used() -> None:
    done = subprocess.run(["bash", "tools/card.sh"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and "tools/card.sh FOLDER" in done.stderr


def test_shares_that_differ_by_more_than_rounding_are_said(steps: Any) -> None:
    bits = __import__("card_results")._bits
    found = {"equal": {"twice": True}, "shares": {"weights": 3e-5, "loss": 1e-7, "allowed": 2e-2, "agrees": True}}
    apart = "one share and two: 3.0e-05 of the way apart, 2e-02 allowed for rounding"
    assert bits(found) == f"twice: equal, {apart}"
    found["shares"] |= {"agrees": False}
    assert bits(found) == f"twice: equal, {apart}, TOO MUCH"
