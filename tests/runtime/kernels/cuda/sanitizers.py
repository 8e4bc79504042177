"""Address and undefined-behaviour sanitizers over all checks, in a process of their own, as they must be its first library:

    LD_PRELOAD=... python -m tests.runtime.kernels.cuda.sanitizers LIBRARIES.json

prints a line for each check, its index and a digest of its results.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from platform import machine

import numpy as np

from tests.paths import ROOT
from tests.runtime.kernels.cuda.checks import Check, all_checks, of_few_forms, on_cuda
from tests.runtime.kernels.cuda.on_cpu import Libraries, Module, compiler, is_clang

SEED = 2  # of the order of blocks and threads
FIBERS = "ASan doesn't fully support makecontext"  # said at their first use: no stack is left by an exception or jump here
OPTIONS = {  # long traces of each allocation would take most of the time
    "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=0:malloc_context_size=1:quarantine_size_mb=8",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
}


def runtime_library() -> Path | None:
    """The sanitizers' shared library that belongs to the compiler, or None if it has none."""
    command = compiler()
    names = [f"libclang_rt.asan-{machine()}.so", "libclang_rt.asan.so"] if is_clang() else ["libasan.so"]
    for name in names:
        found = subprocess.run([*command, f"-print-file-name={name}"], capture_output=True, text=True).stdout.strip()
        if os.path.isabs(found) and os.path.exists(found):
            return Path(found).resolve()
    return None


def digest(arrays: Sequence[np.ndarray]) -> str:
    state = blake2b(digest_size=12)
    for array in arrays:
        state.update(array.tobytes())
    return state.hexdigest()


def run_sanitized(libraries: Libraries, folder: Path) -> tuple[dict[int, str], str]:
    """Every check that the libraries are enough for; (their digests, the sanitizers' words)."""
    lines, words = run_beside(__spec__.name, libraries, folder)
    return {int(index): digest for index, digest in map(str.split, lines)}, words


def run_beside(module: str, libraries: Libraries, folder: Path) -> tuple[list[str], str]:
    """Run a module in a process whose first library is the sanitizers', if there are any; (its lines, the sanitizers' words)."""
    preload = runtime_library()
    listed = folder / "libraries.json"
    listed.write_text(json.dumps({file: [str(path), list(names)] for file, (path, names) in libraries.items()}))
    command = [sys.executable, "-m", module, str(listed)]
    environment = {**os.environ, **OPTIONS, **({"LD_PRELOAD": str(preload)} if preload else {})}
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    words = "".join(line for line in done.stderr.splitlines(keepends=True) if FIBERS not in line)
    if done.returncode:
        words += f"it ended with {done.returncode}"
    return done.stdout.splitlines(), words


def modules_of(listed: str) -> dict[str, Module]:
    """The libraries that a process was given."""
    return {file: Module.load(Path(path), names) for file, (path, names) in json.loads(Path(listed).read_text()).items()}


def needs(check: Check) -> set[str]:
    """The files that a check launches kernels of."""
    return {one.file for one in check.plan.launches if hasattr(one, "file")}


def main(listed: str) -> None:
    modules = modules_of(listed)
    for index, check in enumerate(of_few_forms(all_checks())):
        if needs(check) <= set(modules):
            print(index, digest(on_cuda(check, modules, SEED)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
