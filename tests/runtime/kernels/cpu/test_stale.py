"""Compiled kernels are dropped when any of their sources changed, and only then."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import runtime.ops
from runtime.kernels.cpu.stale import ROOT, _files, drop_stale, imported, sources

RUN = """
from pathlib import Path
from runtime.kernels.cpu import stale
stale.ROOT = Path("sources").absolute()
import kernel
print(kernel.twice(3.0), sum(kernel.twice.compiled.stats.cache_hits.values()))
"""
HELPER = "from runtime.kernels.cpu.jit import jit\n@jit\ndef factor():\n    return {factor}\n"
KERNEL = "from helper import factor\nfrom runtime.kernels.cpu.jit import jit\n@jit\ndef twice(x):\n    return factor() * x\n"


def run_kernel(folder: Path) -> str:
    """What a new process computes, and how often it took compiled code from the cache."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{folder / 'sources'}", "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("NUMBA_CACHE_DIR", None)
    ran = subprocess.run([sys.executable, "-c", RUN], cwd=folder, env=environment, text=True, capture_output=True, check=True)
    return ran.stdout.strip()


@pytest.mark.slow
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


def test_the_sources_of_a_kernel_are_the_files_that_it_imports() -> None:
    found = {str(path.relative_to(ROOT)) for path in sources([ROOT / "runtime/ops/softmax/cpu.py"])}
    assert {"runtime/ops/softmax/cpu.py", "runtime/kernels/cpu/exponential.py", "runtime/kernels/cpu/jit.py"} <= found
    assert not any(path.startswith(("runtime/ops/lrn", "runtime/solver")) for path in found)


def test_imports_are_those_that_python_reads(tmp_path: Path) -> None:
    """In the kernels' files, and in forms that these lack."""
    forms = tmp_path / "forms.py"
    forms.write_text(
        "import runtime.ir, runtime.data  # runtime.ops\nfrom runtime.ir import (\n    program as p,  # )\n    runs,\n)\n"
    )
    for file in (forms, *(ROOT / "runtime/kernels/cpu").glob("*.py"), *(ROOT / "runtime/ops").glob("*/cpu.py")):
        names: list[str] = []
        for one in ast.parse(file.read_bytes()).body:
            if isinstance(one, ast.ImportFrom):
                names += [str(one.module), *(f"{one.module}.{alias.name}" for alias in one.names)]
            elif isinstance(one, ast.Import):
                names += [alias.name for alias in one.names]
        assert set(imported(file)) == {file, *(path for name in names for path in _files(name))}, file


def test_only_functions_that_import_what_changed_are_dropped(tmp_path: Path) -> None:
    folder, cache = tmp_path / "sources", tmp_path / "cache"
    folder.mkdir()
    texts = {"kernel": "from helper import a\n", "other": "import math\n", "helper": "a = 1\n"}
    compiled = {module: cache / f"{module}.f-1.nbi" for module in ("kernel", "other")}

    def start() -> list[str]:
        """The modules whose compiled functions a new process drops."""
        for module, text in texts.items():
            (folder / f"{module}.py").write_text(text)
        command = "import sys; from pathlib import Path; from runtime.kernels.cpu import stale; stale.ROOT = Path(sys.argv[1])\n"
        command += "for m in ('kernel', 'other'): stale.drop_stale(Path(sys.argv[2]), m, (stale.ROOT / f'{m}.py',))"
        subprocess.run([sys.executable, "-c", command, folder, cache], cwd=ROOT, check=True)
        dropped = [module for module, file in compiled.items() if not file.exists()]
        for module in dropped:
            compiled[module].write_text("compiled")
        return dropped

    assert start() == ["kernel", "other"]
    assert start() == []
    texts["helper"] = "a = 2\n"
    assert start() == ["kernel"]
    assert start() == []
    texts["other"] = "import cmath\n"
    assert start() == ["other"]


def test_a_cache_that_cannot_be_written_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    drop_stale(tmp_path / "file" / "cache", "cpu", (Path(__file__),))


def test_every_kernel_is_compiled_by_jit() -> None:
    """Numba with a cache of its own would bring stale kernels back, and to import it takes time where no kernel runs."""
    files = [file for folder in ("netdef", "runtime") for file in (ROOT / folder).rglob("*.py")]
    assert Path(runtime.ops.__file__) in files
    doors = {ROOT / "runtime/kernels/cpu" / name for name in ("ahead.py", "alone.py", "generated.py", "jit.py")}
    assert {file for file in files if re.search(r"^\s*(import|from) numba\b", file.read_text(), re.MULTILINE)} == doors
    assert [file for file in files if "njit(" in file.read_text()] == [ROOT / "runtime/kernels/cpu/jit.py"]
