"""The CUDA device's table of kernels: instruction name -> the launches and matrix products that carry it out.

An instruction's plan (runtime/ops/*/cuda.py) is a function of the shapes of its arrays and of its constants, named like the
instruction.  It touches no device:

    for launch in plan("lrn_forward", operands_of(instruction), instruction.constants).launches:   # a Launch or a Gemm each
        ...

A Launch names a file, and the function in it as C++ writes it, with its compile-time constants: "lrn_forward<4, 5, true>".
`source` is that file's whole text, to be compiled with this name among NVRTC's name expressions.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np

from runtime.ir.program import NARROW, Instruction
from runtime.kernels.cuda.options import Target
from runtime.kernels.operand import Operand, Pointer, operands_of
from runtime.kernels.rooms import OPS, load_rooms

FOLDER = Path(__file__).parent
DEFAULT = Target()

Extent = tuple[int, int, int]


@dataclass(frozen=True)
class Launch:
    """One kernel launch.

    Parameters
    ----------
    file: of a room of runtime/ops.
    function: with its template arguments, a C++ name expression.
    pointers: the kernel's first parameters.  A constant given by name is a float32 array, which the device holds a copy of.
    scalars: the kernel's other parameters, each of the NumPy type that has the C++ type's size.
    work: bytes that it moves and its floating point operations, where it is not all of an instruction (runtime/machine/costs.py).
    products: floating point operations of matrix products that it computes itself.
    """

    file: str
    function: str
    grid: Extent
    block: Extent
    pointers: tuple[Pointer, ...]
    scalars: tuple[np.generic, ...] = ()
    work: tuple[int, int] | None = None
    products: int = 0


@dataclass(frozen=True)
class Matrix:
    """Matrices in an array, row-major.

    Parameters
    ----------
    offset: of the first number, in floats from the array's start.
    leading: floats from one stored row to the next.
    stride: floats from one matrix of the batch to the next.
    transposed: the product uses the transpose of what is stored.
    """

    pointer: Pointer
    offset: int
    leading: int
    stride: int = 0
    transposed: bool = False


@dataclass(frozen=True)
class Gemm:
    """c (m, n) = a (m, k) . b (k, n), or c += with `accumulate`; `batch` times, float32."""

    m: int
    n: int
    k: int
    a: Matrix
    b: Matrix
    c: Matrix
    batch: int = 1
    accumulate: bool = False


AnyLaunch = Launch | Gemm


@dataclass(frozen=True)
class Plan:
    """What carries out an instruction, in order; `workspace`: the bytes that pointers into it need, free again afterwards."""

    launches: tuple[AnyLaunch, ...]
    workspace: int = 0


CUDA_KERNELS: dict[str, Callable[..., Plan]] = {}
HOST_KERNELS: set[str] = set()  # instructions that the host carries out by the CPU's plans, on copies of the card's arrays


def plans(function: Callable[..., Launch | Plan]) -> Callable[..., Launch | Plan]:
    """Register a plan under its function's name.  It takes an Operand for each array, then constants; `target`: see Target."""

    def whole(*operands: Operand, **constants: Any) -> Plan:
        made = function(*operands, **constants)
        return made if isinstance(made, Plan) else Plan((made,))

    CUDA_KERNELS[function.__name__] = whole
    PARAMETERS[function.__name__] = tuple(signature(function).parameters)
    return function


PARAMETERS: dict[str, tuple[str, ...]] = {}  # of each plan


def plan(name: str, operands: Sequence[Operand], constants: Mapping[str, Any], target: Target = DEFAULT) -> Plan:
    """How an instruction runs on arrays like these, on such a card."""
    load_rooms("cuda")
    halves = {index for index, operand in enumerate(operands) if operand.dtype == NARROW}
    assert not halves or halves <= set(narrow_arrays(name, operands, constants, target)), f"{name} has no form for bfloat16"
    known = {"target": target} if "target" in PARAMETERS[name] else {}
    return CUDA_KERNELS[name](*operands, **constants, **known)


Narrow = Callable[..., Collection[int]]
NARROW_FORMS: dict[str, Narrow] = {}  # by instruction, of the same arguments as its plan


def narrows(name: str, *arrays: int, when: Callable[..., bool] = lambda *operands, **constants: True) -> None:
    """Say which arrays of an instruction may be bfloat16, each by itself; when: a function of the plan's arguments."""
    NARROW_FORMS[name] = lambda *operands, **constants: arrays if when(*operands, **constants) else ()


def narrow_arrays(name: str, operands: Sequence[Operand], constants: Mapping[str, Any], target: Target) -> Collection[int]:
    """Which arrays of an instruction may be bfloat16 on such a card."""
    load_rooms("cuda")
    if name not in NARROW_FORMS:
        return ()
    return NARROW_FORMS[name](*operands, **constants, target=target)


def forms_on(target: Target) -> Callable[[Instruction], Collection[int]] | None:
    """Of each instruction which buffers such a card takes as bfloat16; None where it computes with wider numbers."""
    if target.math != "bf16":
        return None
    return lambda one: narrow_arrays(one.kernel, operands_of(one), one.constants, target)


Text = Callable[[], str]
PRINTED: dict[str, Text] = {}  # files of kernels that no room holds, as their text is printed


def prints(file: str) -> Callable[[Text], Text]:
    """Register what prints a kernel file."""

    def register(text: Text) -> Text:
        PRINTED[file] = text
        return text

    return register


def files() -> list[str]:
    """The names of all kernel files."""
    load_rooms("cuda")
    return sorted([*PRINTED, *(path.name for path in OPS.glob("*/*.cu"))])


@cache
def source(file: str) -> str:
    """A kernel file's text with the headers of this folder that it includes written out, as NVRTC takes it."""
    load_rooms("cuda")
    text = PRINTED[file]() if file in PRINTED else next(OPS.glob(f"*/{file}"), FOLDER / file).read_text()
    lines = []
    for line in text.splitlines():
        if line.startswith('#include "'):
            lines.append(source(line.split('"')[1]))
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"
