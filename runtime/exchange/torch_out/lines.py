"""The lines of a module while the rules write them."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from math import isfinite, isnan
from typing import Any, TypeVar

import numpy as np

from netdef.graph.layer import Layer, Parameter
from netdef.graph.net import Net
from netdef.language.diagnostics import NetdefError
from runtime.exchange.torch_out.calls import functions

Reader = Callable[[Parameter], np.ndarray]
Rule = TypeVar("Rule", bound=Callable[[Any, "Scope"], None])
RULES: dict[str, Callable[[Any, Scope], None]] = {}
TAKEN = {"self", "F", "nn", "torch", "x", *functions()}  # names that the module uses itself


def writes(*types: str) -> Callable[[Rule], Rule]:
    """Register the rule of one layer type, or of several."""

    def register(rule: Rule) -> Rule:
        for name in types:
            RULES[name] = rule
        return rule

    return register


def refused(layer: Layer, why: str, *path: str | int) -> NetdefError:
    """The error of a layer, or of a setting of it, that has no line."""
    return layer.error(f"it cannot be exported to PyTorch: {why}", *path)


@dataclass
class Lines:
    """A module's lines.

    Attributes
    ----------
    made: of __init__. run: of forward. arrays: the state_dict. calls: names of functions that forward calls.
    variables: names of blobs in forward. members: names of layers in the module.
    """

    net: Net
    read: Reader
    made: list[str] = field(default_factory=list)
    run: list[str] = field(default_factory=list)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    members: set[str] = field(default_factory=set)
    calls: set[str] = field(default_factory=set)

    def variable(self, blob: str) -> str:
        """The variable of a blob, which layers that work in place write anew."""
        if blob not in self.variables:
            self.variables[blob] = identifier(blob, {*self.variables.values(), *TAKEN})
        return self.variables[blob]


class Scope:
    """What the rule of a layer writes with."""

    def __init__(self, lines: Lines, layer: Layer):
        self.lines, self.layer = lines, layer
        self.inputs = [lines.variable(blob.name) for blob in layer.bottoms]
        self.outputs = [lines.variable(blob.name) for blob in layer.tops]
        self._name: str | None = None

    @property
    def x(self) -> str:
        return self.inputs[0]

    def array(self, index: int) -> np.ndarray:
        parameter = self.layer.parameters[index]
        return self.lines.read(parameter.owner).reshape(parameter.shape)

    def module(self, expression: str, **arrays: np.ndarray) -> str:
        """Add a member to the module, with arrays of its own for the state_dict; returns how forward calls it."""
        name = self._member()
        self.lines.made.append(f"self.{name} = {expression}")
        self.lines.arrays |= {f"{name}.{key}": array for key, array in arrays.items()}
        return f"self.{name}"

    def parameter(self, array: np.ndarray) -> str:
        """Add a learned array to the module."""
        name = self._member()
        sizes = ", ".join(map(str, array.shape))
        self.lines.made.append(f"self.{name} = nn.Parameter(torch.empty({sizes or '()'}))")
        self.lines.arrays[name] = array
        return f"self.{name}"

    def constant(self, array: np.ndarray) -> str:
        """Add an array that nothing learns to the module."""
        made = self.buffer(f"torch.empty({tuple(array.shape)})", kept=True)
        self.lines.arrays[made.removeprefix("self.")] = array
        return made

    def buffer(self, expression: str, kept: bool = False) -> str:
        """Add an array by an expression to the module.  kept: whether it is in the state_dict."""
        name = self._member()
        self.lines.made.append(f'self.register_buffer("{name}", {expression}{"" if kept else ", persistent=False"})')
        return f"self.{name}"

    def call(self, function: str) -> str:
        """A function of functions.py, which the module's file gets."""
        self.lines.calls.add(function)
        return function

    def _member(self) -> str:
        name = identifier(self.layer.name, {*self.lines.members, *TAKEN, *dir_of_module()})
        self.lines.members.add(name)
        return name

    def let(self, expression: str, top: int = 0) -> None:
        """A line of forward: a top by an expression."""
        self.lines.run.append(f"{self.outputs[top]} = {expression}")

    def let_all(self, expression: str) -> None:
        """A line of forward: all tops by an expression that makes as many."""
        self.lines.run.append(f"{', '.join(self.outputs)}{',' * (len(self.outputs) == 1)} = {expression}")


def identifier(name: str, taken: set[str]) -> str:
    """A name of Python for a name of Caffe: conv2/3x3 is conv2_3x3."""
    plain = re.sub(r"\W", "_", name, flags=re.ASCII)
    plain = f"_{plain}" if not plain or plain[0].isdigit() or keyword.iskeyword(plain) else plain
    count, free = 1, plain
    while free in taken:
        count += 1
        free = f"{plain}_{count}"
    return free


def number(value: float) -> str:
    """A literal of a number; Python has none of what is not finite."""
    return repr(float(f"{value:.9g}")) if isfinite(value) else f"{'-' * (value < 0)}torch.{'nan' if isnan(value) else 'inf'}"


def dir_of_module() -> set[str]:
    """Names that nn.Module has, and that a member must not hide."""
    return {
        "add_module", "apply", "bfloat16", "buffers", "children", "compile", "cpu", "cuda", "double", "eval", "float",
        "forward", "half", "modules", "parameters", "register_buffer", "state_dict", "to", "train", "training", "type", "zero_grad",
    }  # fmt: skip
