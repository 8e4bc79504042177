"""Calls of compiled kernels that need no Python: a block of memory holds the arguments, and a piece of code passes them on.

Numba's own way in looks at the type of each argument, for 10 us a call and under Python's lock; kernels of small nets take as long.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir

from runtime.kernels.cpu.generated import Later
from runtime.kernels.cpu.jit import compiled

WORD, BYTES, CODE = ir.IntType(64), ir.IntType(8).as_pointer(), ir.IntType(32)
SIZE = 8  # bytes of an argument in a block
numba: Any = Later("numba")
kinds: Any = Later("numba.types")
locks: Any = Later("numba.core.compiler_lock")
_passers: dict[str, int] = {}  # the code that passes arguments on, by the type of function that it calls


class Entry(NamedTuple):
    """How a kernel is called for arguments of some types.

    Attributes
    ----------
    code: the address of a function (block, begin, end) that calls the kernel and returns 0, or another number if it raised.
    function: the kernel's.  types: numba's, of the arguments behind begin and end.
    """

    code: int
    function: int
    types: tuple[Any, ...]

    def block(self, arguments: Sequence[Any]) -> np.ndarray:
        """The arguments as `code` takes them; they must live on while it is used."""
        packed = struct.pack("q", self.function) + b"".join(map(_word, arguments_flat(arguments, self.types)))
        return np.frombuffer(packed, np.uint8).copy()


def entry(kernel: Callable[..., Any], arguments: Sequence[Any]) -> Entry | None:
    """How a kernel is called with arguments like these, begin and end first; None where it is Python, or takes others than numbers,
    arrays, and tuples of them.
    """
    function: Any = compiled(kernel)
    if not hasattr(function, "overloads"):
        return None
    types = tuple(kinds.unliteral(numba.typeof(argument)) for argument in arguments)
    if not all(map(_is_known, types)):
        return None
    function.compile(types)
    made = function.overloads[types]
    with locks.global_compiler_lock:
        holder = made._asdict()["library"]
        address = holder.get_pointer_to_function(made.fndesc.llvm_func_name)
        return Entry(_passer(made), address, types[2:]) if address else None


def _is_known(kind: Any) -> bool:
    if isinstance(kind, kinds.BaseTuple):
        return all(map(_is_known, kind))
    return isinstance(kind, (kinds.Array, kinds.Boolean, kinds.Integer, kinds.Float))


def arguments_flat(arguments: Sequence[Any], types: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """(format of `struct`, number) for each that numba's functions take for these arguments, in their order."""
    for value, kind in zip(arguments, types, strict=True):
        if isinstance(kind, kinds.Array):  # without an owner, which would be counted
            numbers = (0, 0, value.size, value.itemsize, value.ctypes.data, *value.shape, *value.strides)
            yield from (("q", number) for number in numbers)
        elif isinstance(kind, kinds.BaseTuple):
            yield from arguments_flat(value, [*kind])
        elif isinstance(kind, kinds.Boolean):
            yield "b", int(value)
        elif isinstance(kind, kinds.Float):
            yield ("f" if kind.bitwidth == 32 else "d"), float(value)
        else:
            yield "q", int(value)


def _word(one: tuple[str, Any]) -> bytes:
    return struct.pack(*one).ljust(SIZE, b"\0")


def _passer(made: Any) -> int:
    """The address of code that takes arguments from a block and calls a function of this type with them."""
    context = made.target_context
    kind = context.call_conv.get_function_type(made.signature.return_type, made.fndesc.argtypes)
    if str(kind) not in _passers:
        name = f"pass_arguments_{len(_passers)}"
        library = context.codegen().create_library(name)
        module = library.create_ir_module(name)
        _write_passer(module, name, kind)
        library.add_ir_module(module)
        library.finalize()
        _passers[str(kind)] = library.get_pointer_to_function(name)
        _libraries.append(library)
    return _passers[str(kind)]


_libraries: list[Any] = []  # what holds their code


def _write_passer(module: Any, name: str, kind: Any) -> None:
    function = ir.Function(module, ir.FunctionType(CODE, [BYTES, WORD, WORD]), name)
    block, begin, end = function.args
    build = ir.IRBuilder(function.append_basic_block("entry"))

    def argument(index: int, kind: Any) -> Any:
        at = build.gep(block, [WORD(index * SIZE)])
        loaded = build.load(build.bitcast(at, kind.as_pointer()))
        loaded.align = SIZE
        return loaded

    result, raised = (build.alloca(one.pointee) for one in kind.args[:2])
    given = [argument(1 + index, one) for index, one in enumerate(kind.args[4:])]
    build.ret(build.call(argument(0, kind.as_pointer()), [result, raised, begin, end, *given]))
