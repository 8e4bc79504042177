"""Functions of one element, written from their formulas: of every type, those too that have an operator of their own."""

from __future__ import annotations

import ast
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from netdef.layers.function import FUNCTIONS, Function
from runtime.exchange.formulas import expression_of
from runtime.exchange.onnx_out import formulas as onnx_formulas
from runtime.exchange.onnx_out.check import run
from runtime.exchange.onnx_out.file import model_of
from runtime.exchange.onnx_out.model import blank, written
from runtime.exchange.onnx_out.registry import RULES, load_rules
from runtime.exchange.torch_out import formulas as torch_formulas
from runtime.exchange.torch_out.calls import text_of_functions
from runtime.exchange.torch_out.lines import RULES as LINES
from runtime.exchange.torch_out.lines import Lines, Scope
from tests.runtime.ops.elementwise.formulas import each_case, in_float64, layer_of, net_of

X = np.random.default_rng(5).uniform(-6, 6, (3, 4, 7, 5)).astype(np.float32)

# What the lines call of PyTorch, by NumPy: whether PyTorch computes the same, tools/ and test_module show.
NUMPY = SimpleNamespace(
    **{name: getattr(np, name) for name in ("abs", "exp", "log", "log1p", "maximum", "minimum", "sqrt", "tanh", "where")},
    as_tensor=np.asarray,
)


def expected(name: str, settings: str) -> np.ndarray:
    layer = layer_of(name, settings)
    value = layer.function.value
    return in_float64(value, {"x": X}, layer.constants_of(value))


@each_case
def test_as_nodes(name: str, settings: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    load_rules()
    monkeypatch.setitem(RULES, name, onnx_formulas.write_formula)
    made = written(net_of(name, settings), 17, blank)
    (found,) = run(model_of(made).SerializeToString(), {"x": X}).values()
    np.testing.assert_allclose(found, expected(name, settings), rtol=1e-5, atol=1e-6)


@each_case
def test_as_a_line(name: str, settings: str) -> None:
    net = net_of(name, settings)
    lines = Lines(net, blank)
    torch_formulas.write_formula(layer := net.layer("op"), Scope(lines, layer))
    known: dict[str, Any] = {"torch": NUMPY, lines.variable("x"): X}
    exec("\n".join([text_of_functions(lines.calls), *lines.run]), known)
    np.testing.assert_allclose(known[lines.variable("op")], expected(name, settings), rtol=1e-5, atol=1e-6)


def test_every_function_has_a_rule() -> None:
    load_rules()
    assert set(FUNCTIONS) <= set(RULES)
    assert set(FUNCTIONS) <= set(LINES)


@pytest.mark.parametrize(
    ("name", "settings", "text"),
    [
        ("ReLU", "negative_slope: 0.5", "0.5 * x if x < 0 else x"),
        ("Power", "power: 2 scale: 0.5 shift: 1", "(0.5 * x + 1.0) * (0.5 * x + 1.0)"),
        ("Power", "power: 2 scale: 0 shift: 3", "x * 0 + 9.0"),
    ],
)
def test_what_reads_no_x_is_computed(name: str, settings: str, text: str) -> None:
    assert ast.unparse(expression_of(layer_of(name, settings))) == text


def unusual(x, low):
    middle = max(low, min(x, 2))
    return middle if (-1 < x <= 1 and x != 0.5 and not (x > 0.25 and x < 0.3)) or low > 0 else abs(x) - log1p(x * x)  # noqa: F821


def test_what_no_function_has_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chains of comparisons, and, or, not, and the smaller and the larger of two."""
    pytest.importorskip("onnxruntime")
    load_rules()
    function = Function(unusual, {"low": lambda layer: -0.5}, ("",), "")
    layer_type = type(layer_of("TanH", ""))
    monkeypatch.setattr(layer_type, "function", function)
    wanted = in_float64(function.value, {"x": X}, {"low": -0.5})
    monkeypatch.setitem(RULES, "TanH", onnx_formulas.write_formula)
    net = net_of("TanH", "")
    (found,) = run(model_of(written(net, 17, blank)).SerializeToString(), {"x": X}).values()
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    lines = Lines(net, blank)
    torch_formulas.write_formula(layer := net.layer("op"), Scope(lines, layer))
    known: dict[str, Any] = {"torch": NUMPY, lines.variable("x"): X}
    exec("\n".join([text_of_functions(lines.calls), *lines.run]), known)
    np.testing.assert_allclose(known[lines.variable("op")], wanted, rtol=1e-5, atol=1e-6)
