"""Processes that need a kernel at the same time compile it once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.kernels.cpu.alone import locked
from tests.paths import ROOT

KERNEL = "from runtime.kernels.cpu.jit import jit\n@jit\ndef twice(x):\n    return 2 * x\n"
RUN = """
import kernel
print(kernel.twice.compiled.stats.cache_path, flush=True)
assert kernel.twice(3.0) == 6.0
print(sum(kernel.twice.compiled.stats.cache_hits.values()))
"""


@pytest.mark.slow
def test_one_process_compiles_and_the_other_loads(tmp_path: Path) -> None:
    (tmp_path / "kernel.py").write_text(KERNEL)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}", "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("NUMBA_CACHE_DIR", None)
    with locked(tmp_path / "__pycache__" / "kernel.twice.lock"):
        options = {"env": environment, "stdout": subprocess.PIPE, "text": True}
        runs = [subprocess.Popen([sys.executable, "-c", RUN], **options) for _ in range(2)]  # type: ignore[call-overload]
        assert [run.stdout.readline() for run in runs] == [f"{tmp_path / '__pycache__'}\n"] * 2
    assert sorted(run.communicate()[0] for run in runs) == ["0\n", "1\n"]


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with locked(tmp_path / "file" / "cache" / "kernel.lock"):
        pass
