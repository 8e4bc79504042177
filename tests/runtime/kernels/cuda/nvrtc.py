"""NVIDIA's run-time compiler by ctypes: machine code for any architecture on a machine without a card."""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from runtime.kernels.cuda.registry import source
from runtime.machine.cuda.kernels import OPTIONS
from tests.built import built_json, digest
from tests.runtime.kernels.cuda import cubin
from tests.runtime.kernels.cuda.cubin import Resources, resources

OF_CUPY = ("-ftz=true", "--device-as-default-execution-space")  # what CuPy adds to OPTIONS, beside places of headers
ACCESS = re.compile(r"\b(?:ld|st)(?P<how>(?:\.\w+)*)\.(?:f|u|s|b)(?P<bits>\d+)\b")
BESIDE = re.compile(r"\.(?:param|shared|local|const)\b")  # memory that is not global


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
    readers = "".join(Path(file).read_text() for file in (__file__, cubin.__file__))
    return f"{path} {path.stat().st_size} {path.stat().st_mtime_ns} {digest(readers)}"


def compile_functions(text: str, functions: Sequence[str], architecture: int | str) -> list[Compiled]:
    """A source's functions, compiled to machine code; the same request is compiled once.

    Raises
    ------
    RuntimeError: it does not compile; with the compiler's log.
    """
    key = "\n".join([version(), *options_for(architecture), *functions, text])
    made = built_json(key, lambda: [asdict(function) for function in compile_anew(text, functions, architecture)])
    return [Compiled(**{**function, "resources": Resources(**function["resources"])}) for function in made]


def options_for(architecture: int | str) -> list[str]:
    return [*OPTIONS, *OF_CUPY, f"-arch=sm_{architecture}"]


def compile_anew(text: str, functions: Sequence[str], architecture: int | str) -> list[Compiled]:
    """`compile_functions`, whatever was compiled before."""
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
        taken, entries = resources(_bytes(program, "CUBIN")), _entries(_bytes(program, "PTX").decode())
        return [_compiled(function, taken[name], entries[name]) for function in functions for name in [_lowered(program, function)]]
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


def _compiled(function: str, taken: Resources, text: str) -> Compiled:
    found = [(access["how"], int(access["bits"])) for access in ACCESS.finditer(text) if not BESIDE.search(access["how"])]
    wide = sum(".v4" in how or (".v2" in how and bits == 64) for how, bits in found)
    return Compiled(function, taken, wide, len(found) - wide)


def _entries(ptx: str) -> dict[str, str]:
    """Each kernel's text."""
    parts = ptx.split(".entry ")[1:]
    return {part.split("(")[0].strip(): part for part in parts}


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
