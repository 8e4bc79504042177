"""The rows of netdef/layers/elementwise.py as tests see them: their cases, and their formulas in float64."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from types import FunctionType
from typing import Any

import numpy as np
import pytest

import netdef
from netdef.layers.function import FUNCTIONS, Elementwise, Formula

CASES = [(name, settings) for name, function in FUNCTIONS.items() for settings in function.cases]
DIFFERENTIABLE = [(name, settings) for name, settings in CASES if FUNCTIONS[name].gradients]
each_case = pytest.mark.parametrize(("name", "settings"), CASES)
each_gradient = pytest.mark.parametrize(("name", "settings"), DIFFERENTIABLE)
NUMPY = {name: getattr(np, name) for name in ("exp", "log", "log1p", "tanh")} | {"abs": abs, "max": max, "min": min}


def net_of(name: str, settings: str, shape: str = "dim: 3 dim: 4 dim: 7 dim: 5", top: str = "op") -> netdef.Net:
    """A layer `op` on an input x, which gets a gradient."""
    return netdef.parse(
        f"force_backward: true layer x: Input {{ shape {{ {shape} }} }} layer op: {name}(x) -> {top} {{ {settings} }}",
        phase="train",
    )


def layer_of(name: str, settings: str) -> Any:
    layer = net_of(name, settings).layer("op")
    assert isinstance(layer, Elementwise)
    return layer


def in_float64(formula: Formula, arrays: Mapping[str, np.ndarray], constants: Mapping[str, float]) -> np.ndarray:
    """A formula as Python computes it, with NumPy's functions, which know infinity and NaN."""
    function = FunctionType(formula.function.__code__, NUMPY)
    given = [np.asarray(arrays[name], np.float64) for name in formula.arrays]
    with np.errstate(all="ignore"):
        made = [
            function(**dict(zip(formula.arrays, numbers, strict=True)), **constants)
            for numbers in zip(*map(np.ravel, given), strict=True)
        ]
    return np.array(made, np.float64).reshape(given[0].shape)


def is_exact(formula: Formula) -> bool:
    """Whether it rounds once at most, as every device rounds."""
    nodes = list(formula.expression.nodes())
    calls = {node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    return calls <= {"abs", "max", "min"} and sum(isinstance(node, ast.BinOp) for node in nodes) <= 1
