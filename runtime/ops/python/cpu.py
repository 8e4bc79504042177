"""Python layers on the host: the user's code is one item of work, on the thread that runs the list."""

from __future__ import annotations

from runtime.kernels.cpu.registry import Kernel, Launch, plans
from runtime.kernels.operand import Operand
from runtime.ops.python.method import Method


def call_method(begin, end, *arguments):
    """Call the last argument, a Method, on the arrays before it."""
    *arrays, method = arguments
    method(arrays)


@plans(flops=0)
def python_forward(*operands: Operand, method: Method) -> Launch:
    return _launch("python_forward", operands, method)


@plans(flops=0)
def python_backward(*operands: Operand, method: Method) -> Launch:
    return _launch("python_backward", operands, method)


def _launch(name: str, operands: tuple[Operand, ...], method: Method) -> Launch:
    kernel = Kernel(name, call_method, lambda *_: 1, None, ())
    return Launch(kernel, operands, {"method": method}, items=1, scratch=0)
