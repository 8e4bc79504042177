"""How each type of solver updates one number of a weight array: Caffe's rules (src/caffe/solvers/*.cpp, facts only) and AdamW.

A row is plain Python on single float32 numbers.  It may take, by these names,
    g         the gradient: clipped, divided by iter_size, and with weight decay added to it, unless the row decays by itself
    pull      for a row that decays by itself: the weight, or with L1 its sign
    h, h2     what it keeps of the iterations before, its histories; all begin as 0
    rate      the solver's rate times lr_mult, or LARC's rate
    correction, decay   see SCALARS; weight_decay * decay_mult
and fields of the solver file.  It returns the new histories and then what the weight loses.  Kernels for every device are printed
from it (cpu.py, cuda.py); what is kept in snapshots follows from its arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import sqrt
from typing import TYPE_CHECKING, Any

from netdef.language.diagnostics import NetdefError
from netdef.layers.formula import Expression, read

if TYPE_CHECKING:
    from runtime.ir.program import Program

OF_PRODUCT = "_of_product"  # ends the names of updates that make the gradient, a product, themselves
HISTORIES = ("h", "h2")
STATES = {"h": "history", "h2": "history2"}  # what a program calls them
SCALARS = ("correction",)  # numbers of each iteration, other than rate and scale
NUMBERS = ("g", "pull", *HISTORIES)  # what a row has of its own for each weight
# What the kernels printed from rows call their own variables.
KERNELS_OWN = {
    "BLOCK", "L1", "N", "PLAIN", "TALL", "V", "WIDE", "across", "begin", "columns", "dy", "end", "first", "gradient", "gradients",
    "i", "item", "l1", "last", "left", "length", "local_rate", "lr_mult", "multiply", "np", "pack", "packed", "packs", "right",
    "row", "rows", "scale", "scratch", "size", "slope", "thread", "top", "v", "w", "weight", "weights",
}  # fmt: skip
OTHERS = (*NUMBERS, "rate", *SCALARS, "decay")


@dataclass(frozen=True)
class Row:
    """One solver type.

    Parameters
    ----------
    function: its name is the kernel's.
    arguments: of the function.
    """

    type: str
    function: Callable[..., Any]
    arguments: tuple[str, ...]

    @property
    def kernel(self) -> str:
        return self.function.__name__

    @property
    def histories(self) -> tuple[str, ...]:
        return tuple(name for name in HISTORIES if name in self.arguments)

    @property
    def states(self) -> tuple[str, ...]:
        """The names of its histories in a program, in Caffe's order."""
        return tuple(STATES[name] for name in self.histories)

    @property
    def scalars(self) -> tuple[str, ...]:
        """Numbers of each iteration that it reads, other than rate and scale."""
        return tuple(name for name in SCALARS if name in self.arguments)

    @property
    def numbers(self) -> tuple[str, ...]:
        """All numbers of each iteration that its kernel reads."""
        return ("rate", "scale", *self.scalars)

    @property
    def constants(self) -> tuple[str, ...]:
        """The fields of a solver file that it reads."""
        return tuple(name for name in self.arguments if name not in OTHERS)

    @property
    def decays_by_itself(self) -> bool:
        """Whether weight decay is no part of the gradient."""
        return "pull" in self.arguments

    @cached_property
    def expression(self) -> Expression:
        """What it computes.

        Raises
        ------
        SyntaxError: it holds what some device could not compute.
        """
        constants = {"rate", "decay", *self.scalars, *self.constants}
        return read(self.function, constants, results=len(self.histories) + 1, taken=KERNELS_OWN)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The kernel's arrays and constants, in their order."""
        return ("weight", "gradient", *self.states, *self.numbers, "lr_mult", "decay", "l1", *self.constants)


ROWS: dict[str, Row] = {}  # by solver type


def update(solver_type: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare how a type of solver updates a number."""

    def declare(function: Callable[..., Any]) -> Callable[..., Any]:
        names = function.__code__.co_varnames[: function.__code__.co_argcount]
        row = Row(solver_type, function, names)
        assert row.expression  # which refuses what no kernel can have
        ROWS[solver_type] = row
        return function

    return declare


@update("SGD")
def sgd_update(g, h, rate, momentum):
    velocity = rate * g + momentum * h
    return velocity, velocity


@update("Nesterov")
def nesterov_update(g, h, rate, momentum):
    velocity = rate * g + momentum * h
    return velocity, (1 + momentum) * velocity - momentum * h


@update("AdaGrad")
def adagrad_update(g, h, rate, delta):
    total = h + g * g
    return total, rate * (g / (sqrt(total) + delta))


@update("RMSProp")
def rmsprop_update(g, h, rate, rms_decay, delta):
    square = rms_decay * h + (1 - rms_decay) * (g * g)
    return square, rate * (g / (sqrt(square) + delta))


@update("AdaDelta")
def adadelta_update(g, h, h2, rate, momentum, delta):
    square = momentum * h + (1 - momentum) * (g * g)
    change = g * sqrt((h2 + delta) / (square + delta))
    return square, momentum * h2 + (1 - momentum) * (change * change), rate * change


@update("Adam")
def adam_update(g, h, h2, rate, correction, momentum, momentum2, delta):
    mean = momentum * h + (1 - momentum) * g
    square = momentum2 * h2 + (1 - momentum2) * (g * g)
    return mean, square, rate * correction * (mean / (sqrt(square) + delta))


@update("AdamW")
def adamw_update(g, pull, h, h2, rate, correction, decay, momentum, momentum2, delta):
    """Loshchilov and Hutter 2019 (arXiv 1711.05101), algorithm 2, with Caffe's way of adding delta."""
    mean = momentum * h + (1 - momentum) * g
    square = momentum2 * h2 + (1 - momentum2) * (g * g)
    return mean, square, rate * (correction * (mean / (sqrt(square) + delta)) + decay * pull)


def correction(solver: Any, iteration: int) -> float:
    """What makes up for Adam's means having begun as 0: sqrt(1 - momentum2 ** t) / (1 - momentum ** t), t from 1."""
    t = iteration + 1
    return sqrt(1 - solver.momentum2**t) / (1 - solver.momentum**t)


OF_ITERATIONS: Mapping[str, Callable[[Any, int], float]] = {"correction": correction}  # the value of each of SCALARS


def check_gradients_are_there(program: Program) -> None:
    """Before an update that is not run right behind `backward`.

    Raises
    ------
    NetdefError: it makes gradients of what backward left in memory that others use again.
    """
    if any(one.kernel.endswith(OF_PRODUCT) for one in program.update):
        hint = 'run backward right before the update; or keep="activations", of compile, which keeps gradients'
        raise NetdefError("the update makes gradients of what backward left, and that is gone", hint=hint)
