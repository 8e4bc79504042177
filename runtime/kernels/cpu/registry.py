"""The CPU device's kernels and plans.

A kernel is a function over a range of independent items, which the device's threads share.  A plan says which kernels carry out an
instruction, and with which constants of the CPU's own (tiles, runs, blocks); it is a function of the shapes of the instruction's
arrays and of its constants, and touches no array:

    for launch in plan("conv2d", operands, constants).launches: ...

An instruction without a plan of its own is one launch of the kernel of its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from inspect import signature
from typing import Any, TypeVar

from runtime.kernels.operand import Operand
from runtime.kernels.rooms import load_rooms

Function = TypeVar("Function", bound=Callable[..., None])
Planner = TypeVar("Planner", bound="Callable[..., Launch | Plan]")


@dataclass(frozen=True)
class Kernel:
    """`function(begin, end, *arrays, [scratch,] *constants)` computes the items [begin, end) of `items(*arrays, *constants)`.

    scratch: floats of private memory that each worker needs for these arguments; None if the function takes none.
    """

    name: str
    function: Callable[..., None]
    items: Callable[..., int]
    scratch: Callable[..., int] | None
    parameters: tuple[str, ...]  # after begin and end, without scratch


@dataclass(frozen=True)
class Launch:
    """A kernel over all its items.

    Parameters
    ----------
    arrays: which of the instruction's arrays, or an offset in the workspace; shapes: of those in the workspace.
    constants: after the arrays, by the kernel's parameter names.
    scratch: floats of private memory of each worker.
    once: it writes what is kept between runs, and need not run again until a parameter changes.
    """

    kernel: Kernel
    arrays: tuple[Operand, ...]
    constants: Mapping[str, Any]
    items: int
    scratch: int
    once: bool = False

    def __str__(self) -> str:
        shown = {name: value for name, value in self.constants.items() if isinstance(value, int) and not isinstance(value, bool)}
        own = "".join(f" {name} {value}" for name, value in shown.items())
        private = f", {4 * self.scratch / 2**10:,.0f} KiB of scratch a thread" if self.scratch else ""
        return f"{self.kernel.name}{own}: {self.items:,} items{private}{', once' * self.once}"


@dataclass(frozen=True)
class Plan:
    """What carries out an instruction, in order.

    workspace: bytes that all threads share, free again afterwards; kept: bytes that hold what launches with `once` wrote.
    """

    launches: tuple[Launch, ...]
    workspace: int = 0
    kept: int = 0


Count = int | Callable[..., float]  # for each element of the largest array, or of the same arguments as the kernel or the plan


@dataclass(frozen=True)
class Work:
    """What an instruction does, on any device.

    Parameters
    ----------
    flops: floating point operations, those of matrix products not counted.
    moved: bytes read and written; None where that is each of its arrays once.
    """

    flops: Count
    moved: Callable[..., float] | None = None


CPU_KERNELS: dict[str, Kernel] = {}
CPU_PLANS: dict[str, Callable[..., Launch | Plan]] = {}
WORK: dict[str, Work] = {}  # by instruction


def kernel(
    items: Callable[..., int],
    scratch: Callable[..., int] | None = None,
    flops: Count | None = None,
    moved: Callable[..., float] | None = None,
) -> Callable[[Function], Function]:
    """Register a kernel under its function's name.

    Parameters
    ----------
    items: takes the kernel's arguments after begin and end (without `scratch`) and returns the number of independent items.
    scratch: takes the same and returns floats.
    flops, moved: what an instruction of this name does, see Work.  None: only plans launch it.
    """

    def register(function: Function) -> Function:
        python = getattr(function, "py_func", function)
        names = tuple(signature(python).parameters)
        if names[:2] != ("begin", "end"):
            raise TypeError(f"kernel {python.__name__} must start with (begin, end)")
        if ("scratch" in names) != (scratch is not None):
            raise TypeError(f"kernel {python.__name__}: the parameter `scratch`, behind the arrays, and its size belong together")
        parameters = tuple(name for name in names[2:] if name != "scratch")
        CPU_KERNELS[python.__name__] = Kernel(python.__name__, function, items, scratch, parameters)
        if flops is not None:
            WORK[python.__name__] = Work(flops, moved)
        return function

    return register


def plans(flops: Count, moved: Callable[..., float] | None = None) -> Callable[[Planner], Planner]:
    """Register a plan under its function's name.  It takes an Operand for each array, then the instruction's constants.

    Parameters
    ----------
    flops, moved: what the instruction does, see Work.
    """

    def register(function: Planner) -> Planner:
        CPU_PLANS[function.__name__] = function
        WORK[function.__name__] = Work(flops, moved)
        return function

    return register


def work_of(name: str, operands: Sequence[Operand], constants: Mapping[str, Any]) -> tuple[float, float]:
    """The bytes that an instruction moves and its floating point operations, those of matrix products not counted.

    Raises
    ------
    LookupError: it does not declare them.
    """
    load_rooms("cpu")
    if name not in WORK:
        raise LookupError(f"instruction {name} does not say what it does: @kernel(flops=...), @plans(flops=...)")
    found = WORK[name]

    def count(rule: Callable[..., float]) -> float:
        if name in CPU_PLANS:
            return rule(*operands, **constants)
        return rule(*operands, *(constants[parameter] for parameter in CPU_KERNELS[name].parameters[len(operands) :]))

    largest = max((operand.size for operand in operands), default=0)
    flops = found.flops * largest if isinstance(found.flops, int) else count(found.flops)
    return count(found.moved) if found.moved else sum(operand.bytes for operand in operands), flops


def launch(name: str, /, *arrays: Operand, **constants: Any) -> Launch:
    """A kernel of this name on these arrays.

    Raises
    ------
    TypeError: constants are missing, or the kernel does not know them.
    """
    kernel = CPU_KERNELS[name]
    wanted = kernel.parameters[len(arrays) :]
    missing = [parameter for parameter in wanted if parameter not in constants]
    unknown = [parameter for parameter in constants if parameter not in wanted]
    if missing or unknown:
        raise TypeError(f"{name}: constants missing {missing}, unknown {unknown}")
    ordered = {parameter: constants[parameter] for parameter in wanted}
    arguments = [*arrays, *ordered.values()]
    scratch = kernel.scratch(*arguments) if kernel.scratch else 0
    return Launch(kernel, arrays, ordered, kernel.items(*arguments), scratch)


def plan(name: str, operands: Sequence[Operand], constants: Mapping[str, Any], workers: int = 1) -> Plan:
    """How an instruction runs on arrays like these.  workers: threads that are to be busy; they change no bit of the result."""
    load_rooms("cpu")
    numbered = [replace(operand, pointer=index) for index, operand in enumerate(operands)]
    if name in CPU_PLANS and "workers" in signature(CPU_PLANS[name]).parameters:
        constants = {**constants, "workers": workers}
    made = CPU_PLANS[name](*numbered, **constants) if name in CPU_PLANS else launch(name, *numbered, **constants)
    return made if isinstance(made, Plan) else Plan((made,))
