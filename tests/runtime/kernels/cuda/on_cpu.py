"""CUDA sources built by the machine's C++ compiler behind shim.h, and launched on host memory."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from runtime.kernels.cuda.registry import source
from tests.built import built

Functions = Mapping[str, Sequence[str]]  # file -> its functions
Libraries = Mapping[str, tuple[Path, Sequence[str]]]  # file -> (library, its functions)

SHIM, TRACE = (Path(__file__).with_name(name) for name in ("shim.h", "trace.h"))
FLAGS = (
    "-x", "c++", "-std=c++17", "-O1", "-fPIC", "-fvisibility=hidden", "-fno-exceptions", "-ffp-contract=off",
    "-U_FORTIFY_SOURCE", "-w",
)  # fmt: skip
# Of the undefined behaviour what arrays and indices can have; reading at a null pointer is an address that is not there.
SANITIZERS = (
    "-fsanitize=address,alignment,bounds,shift,signed-integer-overflow,integer-divide-by-zero,bool,enum",
    "-fno-sanitize-recover=all",
)
ALL_CHECKS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {  # of builds: what they are compiled with, and linked with
    "plain": ((), ()),
    "sanitized": (("-DSANITIZED", "-O0", "-g1", *SANITIZERS), SANITIZERS),
    "checked": (("-DSANITIZED", "-O0", "-g1", *ALL_CHECKS), ALL_CHECKS),
    "traced": (("-DTRACED", "-fsanitize=thread"), ()),  # trace.h has what the thread sanitizer's library would have
}

# Of loads it would leave out those of a number that it then stores, and those of more than 16 bytes.
CLANG_TRACED = ("-mllvm", "-tsan-instrument-read-before-write=1", "-fno-vectorize", "-fno-slp-vectorize")


@cache
def compiler() -> tuple[str, ...]:
    """The C++ compiler's command: $CXX, else the first there is, else the one of the ziglang package.

    Raises
    ------
    RuntimeError: there is none.
    """
    for name in (os.environ.get("CXX", ""), "c++", "g++", "clang++"):
        if name and shutil.which(name.split()[0]):
            return tuple(name.split())
    if find_spec("ziglang"):
        return (sys.executable, "-m", "ziglang", "cc")  # not c++, which would build its C++ library first
    raise RuntimeError("no C++ compiler: set CXX, install g++ or clang++, or pip install ziglang")


@cache
def version() -> str:
    """What the compiler says of itself."""
    return subprocess.run([*compiler(), "--version"], capture_output=True, text=True).stdout


def is_clang() -> bool:
    """Whether the compiler is clang, as zig's is."""
    return "clang" in version()


@dataclass
class Module:
    """A source's functions, ready to be launched."""

    code: ctypes.CDLL
    symbols: dict[str, str]
    _bound: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path, functions: Sequence[str]) -> Module:
        """What `compile_library` made of these functions."""
        return cls(ctypes.CDLL(str(path)), symbols_of(functions))

    def launch(
        self, function: str, grid: Sequence[int], block: Sequence[int], arguments: Sequence[int | np.generic], seed: int = 0
    ) -> None:
        """Run a kernel to its end.

        Parameters
        ----------
        arguments: addresses as int, other values as NumPy scalars of the parameter's size.
        seed: of the order of blocks and threads.

        Raises
        ------
        RuntimeError: a barrier that not all threads of a block reach alike.
        """
        if function not in self._bound:
            self._bound[function] = getattr(self.code, self.symbols[function])
            self._bound[function].restype = ctypes.c_char_p
        values = [np.asarray(np.uint64(a) if isinstance(a, int) else a) for a in arguments]
        pointers = (ctypes.c_void_p * len(values))(*(value.ctypes.data for value in values))
        extents = [(ctypes.c_uint * 3)(*extent) for extent in (grid, block)]
        failure = self._bound[function](pointers, *extents, ctypes.c_ulonglong(seed))
        if failure:
            raise RuntimeError(f"{function}: {failure.decode()}")


def compile_library(text: str, functions: Sequence[str], kind: str = "plain") -> Path:
    """A shared library of the named functions ("lrn_forward<4, 5, true>") of a source; the same request is compiled once.

    Parameters
    ----------
    kind: one of KINDS.

    Raises
    ------
    RuntimeError: it does not compile; with the compiler's words.
    """
    launchers = [f"LAUNCHER({symbol}, ({name}))" for name, symbol in symbols_of(functions).items()]
    headers = [SHIM, *([TRACE] if kind == "traced" else [])]
    whole = "\n".join([*(header.read_text() for header in headers), '#line 1 "kernels.cu"', text, *launchers, ""])
    compiling, linking = KINDS[kind]
    command = [*compiler(), *FLAGS, *compiling, *(CLANG_TRACED if kind == "traced" and is_clang() else ())]

    def make(library: Path) -> None:
        object_ = library.with_suffix(".o")
        run([*command, "-c", "-", "-o", str(object_)], whole)
        run([*compiler(), "-shared", str(object_), *linking, "-o", str(library)])
        object_.unlink()

    return built("\n".join([version(), *command, *linking, whole]), ".so", make)


def run(command: Sequence[str], text: str | None = None) -> None:
    """Run the compiler.

    Raises
    ------
    RuntimeError: it fails; with its words.
    """
    done = subprocess.run(command, input=text, text=True, capture_output=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr}")


def symbols_of(functions: Sequence[str]) -> dict[str, str]:
    """The library's symbol for each function."""
    return {name: f"launch_{index}" for index, name in enumerate(sorted(set(functions)))}


def build(text: str, functions: Sequence[str]) -> Module:
    """Compile and load the named functions of a source."""
    return Module.load(compile_library(text, functions), functions)


def compile_all(functions: Functions, kind: str = "plain") -> Libraries:
    """`compile_library` for several files, as many at once as there are cores."""
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        made = {file: pool.submit(compile_library, source(file), names, kind) for file, names in functions.items()}
        return {file: (path.result(), functions[file]) for file, path in made.items()}


def load_all(functions: Functions, kind: str = "plain") -> dict[str, Module]:
    """`compile_all`, loaded."""
    return {file: Module.load(*library) for file, library in compile_all(functions, kind).items()}
