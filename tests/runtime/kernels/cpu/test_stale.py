"""Compiled kernels are dropped when any of their sources changed, and only then."""

import os
import subprocess
import sys
from pathlib import Path

import runtime.ops
from runtime.kernels.cpu.stale import ROOT, SOURCES, digest, drop_stale

RUN = """
from pathlib import Path
from runtime.kernels.cpu import stale
stale.SOURCES = [Path("sources").absolute()]
import kernel
print(kernel.twice(3.0), sum(kernel.twice.stats.cache_hits.values()))
"""
HELPER = "from runtime.kernels.cpu.jit import jit\n@jit\ndef factor():\n    return {factor}\n"
KERNEL = "from helper import factor\nfrom runtime.kernels.cpu.jit import jit\n@jit\ndef twice(x):\n    return factor() * x\n"


def run_kernel(folder: Path) -> str:
    """What a new process computes, and how often it took compiled code from the cache."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{folder / 'sources'}", "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("NUMBA_CACHE_DIR", None)
    ran = subprocess.run([sys.executable, "-c", RUN], cwd=folder, env=environment, text=True, capture_output=True, check=True)
    return ran.stdout.strip()


def test_a_kernel_follows_a_function_of_another_file(tmp_path: Path) -> None:
    """Numba alone would go on with the old code: it compares only the kernel's own file."""
    sources = tmp_path / "sources"
    sources.mkdir()
    (sources / "kernel.py").write_text(KERNEL)
    (sources / "helper.py").write_text(HELPER.format(factor=2.0))
    assert run_kernel(tmp_path) == "6.0 0"
    assert run_kernel(tmp_path) == "6.0 1"
    (sources / "helper.py").write_text(HELPER.format(factor=5.0))
    assert run_kernel(tmp_path) == "15.0 0"


def test_dropped_when_a_source_changes(tmp_path: Path) -> None:
    sources, cache = tmp_path / "sources", tmp_path / "cache"
    sources.mkdir()
    (sources / "helper.py").write_text("a = 1\n")
    compiled = cache / "kernel.f.nbi"

    def start() -> bool:
        drop_stale(cache, digest([sources]))
        kept = compiled.exists()
        compiled.write_text("compiled")
        return kept

    assert not start()
    assert start()
    (sources / "helper.py").write_text("a = 2\n")
    assert not start()
    assert start()
    (sources / "other.py").write_text("")
    assert not start()


def test_a_cache_that_cannot_be_written_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    drop_stale(tmp_path / "file" / "cache", "digest")


def test_every_kernel_is_compiled_by_jit() -> None:
    """`njit` with a cache of its own would bring stale kernels back."""
    files = [file for folder in SOURCES for file in folder.rglob("*.py")]
    assert Path(runtime.ops.__file__) in files
    own = [str(file) for file in files if "njit(**" in (text := file.read_text()) or "cache=True" in text]
    assert own == [str(ROOT / "runtime/kernels/cpu/jit.py")]
