"""NVIDIA's run-time compiler by ctypes: machine code for any architecture on a machine without a card."""

from __future__ import annotations

import ctypes
import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from runtime.kernels.cuda.registry import source
from runtime.machine.cuda.kernels import OPTIONS
from tests.built import built_json, digest
from tests.runtime.kernels.cuda import cubin, ptx
from tests.runtime.kernels.cuda.cubin import Resources, resources

RECORD = Path(__file__).with_name("compiled.json")
Rows = list[list[int]]  # of each function, see Compiled.row
OF_CUPY = ("-ftz=true", "--device-as-default-execution-space")  # what CuPy adds to OPTIONS, beside places of headers
asked: dict[str, Rows] = {}  # what this process asked for, by key; record.py writes it down


@dataclass(frozen=True)
class Compiled:
    """One function as it was compiled.

    Parameters
    ----------
    resources: what its machine code takes, by the cubin.
    wide, single: its accesses to global memory that take a pack at once, and one number, by the PTX.
    """

    function: str
    resources: Resources
    wide: int
    single: int

    @classmethod
    def of(cls, function: str, row: Sequence[int]) -> Compiled:
        registers, frame, shared, wide, single = row
        return cls(function, Resources(registers, frame, shared), wide, single)

    @property
    def row(self) -> list[int]:
        return [self.resources.registers, self.resources.frame, self.resources.shared, self.wide, self.single]


@cache
def loaded() -> ctypes.CDLL | None:
    """The library of an nvidia-cuda-nvrtc package, or None if there is none."""
    path = library()
    return ctypes.CDLL(str(path)) if path else None


@cache
def library() -> Path | None:
    """Where it is."""
    found = find_spec("nvidia")
    folders = [Path(folder) for folder in (found.submodule_search_locations or [])] if found else []
    names = [path for folder in folders for path in folder.glob("*/lib/libnvrtc.so.*") if "alt" not in path.name]
    return max(names, default=None)


def architectures() -> list[int]:
    """What the library makes code for: 75 for sm_75."""
    nvrtc = loaded()
    assert nvrtc is not None
    count = ctypes.c_int()
    nvrtc.nvrtcGetNumSupportedArchs(ctypes.byref(count))
    array = (ctypes.c_int * count.value)()
    nvrtc.nvrtcGetSupportedArchs(array)
    return list(array)


def release() -> tuple[int, int]:
    """The compiler's version: (12, 9)."""
    nvrtc = loaded()
    assert nvrtc is not None
    major, minor = ctypes.c_int(), ctypes.c_int()
    _check(nvrtc.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor)))
    return major.value, minor.value


@cache
def version() -> str:
    """Of the compiler, and of what is read from its results here."""
    path = library()
    assert path is not None
    readers = "".join(Path(str(module.__file__)).read_text() for module in (cubin, ptx))
    return f"{release()} {path.stat().st_size} {digest(readers)}"


@cache
def recorded() -> dict[str, Rows]:
    """The results in compiled.json, by key."""
    found: dict[str, Rows] = json.loads(RECORD.read_text())
    return found


def compile_functions(text: str, functions: Sequence[str], architecture: int | str) -> list[Compiled]:
    """A source's functions, compiled to machine code; the same request is compiled once.

    One that compiled.json holds is not compiled at all: the same compiler makes the same code of the same text.

    Raises
    ------
    RuntimeError: it does not compile; with the compiler's log.
    """
    request = "\n".join([version(), *options_for(architecture), *functions, text])
    key = digest(request)
    if key not in asked:
        asked[key] = recorded().get(key) or built_json(
            request, lambda: [function.row for function in compile_anew(text, functions, architecture)]
        )
    return [Compiled.of(function, row) for function, row in zip(functions, asked[key], strict=True)]


def options_for(architecture: int | str) -> list[str]:
    return [*OPTIONS, *OF_CUPY, f"-arch=sm_{architecture}"]


def compile_anew(text: str, functions: Sequence[str], architecture: int | str) -> list[Compiled]:
    """`compile_functions`, whatever is recorded or was compiled before."""
    nvrtc = loaded()
    assert nvrtc is not None
    program = ctypes.c_void_p()
    _check(nvrtc.nvrtcCreateProgram(ctypes.byref(program), text.encode(), b"kernels.cu", 0, None, None))
    try:
        for function in functions:
            _check(nvrtc.nvrtcAddNameExpression(program, function.encode()))
        options = [option.encode() for option in options_for(architecture)]
        if nvrtc.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options)):
            raise RuntimeError(f"sm_{architecture}: {_bytes(program, 'ProgramLog').decode()}")
        taken, entries = resources(_bytes(program, "CUBIN")), ptx.entries(_bytes(program, "PTX").decode())
        lowered = {function: _lowered(program, function) for function in functions}
        return [Compiled(one, taken[lowered[one]], *ptx.accesses(entries[lowered[one]])) for one in functions]
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))


def compile_files(functions: Mapping[str, Sequence[str]], architecture: int) -> list[Compiled]:
    """`compile_functions` for several files, {file: functions}, as many at once as there are cores."""
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        made = [pool.submit(compile_functions, source(file), names, architecture) for file, names in functions.items()]
        return [function for result in made for function in result.result()]


def bare(function: str) -> str:
    """A function's name without its template arguments."""
    return function.split("<")[0]


def _check(status: int) -> None:
    if status:
        raise RuntimeError(f"NVRTC returned {status}")


def _bytes(program: ctypes.c_void_p, what: str) -> bytes:
    nvrtc = loaded()
    size = ctypes.c_size_t()
    _check(getattr(nvrtc, f"nvrtcGet{what}Size")(program, ctypes.byref(size)))
    buffer = ctypes.create_string_buffer(size.value)
    _check(getattr(nvrtc, f"nvrtcGet{what}")(program, buffer))
    return buffer.raw.rstrip(b"\0") if what != "CUBIN" else buffer.raw


def _lowered(program: ctypes.c_void_p, function: str) -> str:
    name = ctypes.c_char_p()
    _check(loaded().nvrtcGetLoweredName(program, function.encode(), ctypes.byref(name)))  # type: ignore[union-attr]
    assert name.value is not None
    return name.value.decode()
