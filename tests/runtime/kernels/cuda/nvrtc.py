"""NVIDIA's run-time compiler by ctypes: machine code for any architecture on a machine without a card."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path


@dataclass(frozen=True)
class Compiled:
    """What ptxas says of one function.  `stack`: bytes of local memory a thread has; `spills`: bytes stored and loaded again."""

    name: str
    registers: int
    stack: int
    spills: int
    shared: int


@cache
def library() -> ctypes.CDLL | None:
    """The library of an nvidia-cuda-nvrtc package, or None if there is none."""
    found = find_spec("nvidia")
    folders = [Path(place) for place in (found.submodule_search_locations or [])] if found else []
    names = [path for folder in folders for path in folder.glob("*/lib/libnvrtc.so.*") if "alt" not in path.name]
    return ctypes.CDLL(str(sorted(names)[-1])) if names else None


def architectures() -> list[int]:
    """What the library makes code for: 75 for sm_75."""
    nvrtc = library()
    assert nvrtc is not None
    count = ctypes.c_int()
    nvrtc.nvrtcGetNumSupportedArchs(ctypes.byref(count))
    array = (ctypes.c_int * count.value)()
    nvrtc.nvrtcGetSupportedArchs(array)
    return list(array)


def compile_functions(text: str, functions: Sequence[str], architecture: int) -> tuple[dict[str, Compiled], bytes]:
    """Compile a source's functions to machine code; (what ptxas says of each, the PTX).

    Raises
    ------
    RuntimeError: it does not compile; with the compiler's log.
    """
    nvrtc = library()
    assert nvrtc is not None
    program = ctypes.c_void_p()
    _check(nvrtc.nvrtcCreateProgram(ctypes.byref(program), text.encode(), b"kernels.cu", 0, None, None))
    try:
        for function in functions:
            _check(nvrtc.nvrtcAddNameExpression(program, function.encode()))
        options = [f"--gpu-architecture=sm_{architecture}".encode(), b"--std=c++17", b"--ptxas-options=-v"]
        status = nvrtc.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
        log = _bytes(program, "ProgramLog").decode()
        if status:
            raise RuntimeError(f"sm_{architecture}: {log}")
        assert len(_bytes(program, "CUBIN")) > 100
        told = _told(log)
        return {function: told[_lowered(program, function)] for function in functions}, _bytes(program, "PTX")
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))


def _check(status: int) -> None:
    if status:
        raise RuntimeError(f"NVRTC returned {status}")


def _bytes(program: ctypes.c_void_p, what: str) -> bytes:
    nvrtc = library()
    size = ctypes.c_size_t()
    _check(getattr(nvrtc, f"nvrtcGet{what}Size")(program, ctypes.byref(size)))
    buffer = ctypes.create_string_buffer(size.value)
    _check(getattr(nvrtc, f"nvrtcGet{what}")(program, buffer))
    return buffer.raw.rstrip(b"\0") if what != "CUBIN" else buffer.raw


def _lowered(program: ctypes.c_void_p, function: str) -> str:
    name = ctypes.c_char_p()
    _check(library().nvrtcGetLoweredName(program, function.encode(), ctypes.byref(name)))  # type: ignore[union-attr]
    assert name.value is not None
    return name.value.decode()


def _told(log: str) -> dict[str, Compiled]:
    """ptxas's words for each function."""
    told = {}
    for part in log.split("Compiling entry function '")[1:]:
        name = part.split("'")[0]
        spills = _number(part, "bytes spill stores") + _number(part, "bytes spill loads")
        shared = _number(part, "bytes smem") if "bytes smem" in part else 0
        told[name] = Compiled(name, _number(part, "registers"), _number(part, "bytes stack frame"), spills, shared)
    return told


def _number(text: str, unit: str) -> int:
    """The number before a unit."""
    found = re.search(rf"(\d+) {unit}", text)
    assert found is not None, text
    return int(found[1])
