"""Every row of netdef/layers/elementwise.py: kernels against float64, derivatives against differences, whole layers."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from numba import njit

import netdef
import runtime
from netdef.layers.function import FUNCTIONS, KERNELS_OWN, Formula, Function
from runtime.kernels.cpu.jit import BLOCK
from runtime.kernels.cpu.registry import CPU_KERNELS
from runtime.kernels.rooms import load_rooms
from runtime.ops.elementwise import cpu, cuda
from runtime.ops.elementwise.cpu import TILE
from runtime.ops.elementwise.formulas import FORMULAS
from tests.runtime.harness import run_kernel, run_plan
from tests.runtime.ops.elementwise.formulas import DIFFERENTIABLE, each_case, each_gradient, in_float64, layer_of, net_of

EXTREMES = [0, -0.0, np.nan, np.inf, -np.inf, 1e30, -1e30, 200, -200, 100, -100, 88.5, -88.5, 20, -20, 1e-3, -1e-3, 1e-20, -1e-40]
SIZES = [0, 1, 7, TILE + 1, BLOCK + 5]
STEP = 1e-6
PERIOD = 1009  # after so many numbers they come again, so that their results in float64 need not be computed again


def numbers(size: int, seed: int = 0) -> np.ndarray:
    """Normal numbers three wide, the first of them replaced by extremes."""
    made = 3 * np.random.default_rng([seed, size]).standard_normal(size, dtype=np.float32)
    made[: len(EXTREMES)] = EXTREMES[:size]
    return made


def arrays_of(layer: Any, size: int) -> dict[str, np.ndarray]:
    """What formulas may read: x, the y that belongs to it, and a gradient."""
    x = numbers(min(size, PERIOD))
    with np.errstate(over="ignore"):
        y = in_float64(layer.function.value, {"x": x}, layer.constants_of(layer.function.value)).astype(np.float32)
    dy = np.random.default_rng(size).standard_normal(x.size, dtype=np.float32)
    return {name: np.resize(values, size) for name, values in {"x": x, "y": y, "sign": y, "dy": dy}.items()}


def check_kernel(formula: Formula, constants: dict[str, float], arrays: dict[str, np.ndarray]) -> None:
    given = [arrays[name] for name in formula.arrays]
    (found,) = run_kernel(formula.name, given, [given[0].shape], **constants)
    with np.errstate(over="ignore"):
        wanted = in_float64(formula, {name: values[:PERIOD] for name, values in arrays.items()}, constants).astype(np.float32)
    np.testing.assert_allclose(found, np.resize(wanted, found.size), rtol=3e-6, atol=1e-6)


@pytest.mark.parametrize("size", SIZES)
@each_case
def test_value(name: str, settings: str, size: int) -> None:
    layer = layer_of(name, settings)
    value = layer.function.value
    check_kernel(value, layer.constants_of(value), arrays_of(layer, size))


@pytest.mark.parametrize("size", SIZES)
@each_gradient
def test_gradient(name: str, settings: str, size: int) -> None:
    layer = layer_of(name, settings)
    check_kernel(layer.gradient, layer.constants_of(layer.gradient), arrays_of(layer, size))


@each_gradient
def test_gradient_is_the_derivative_of_the_value(name: str, settings: str) -> None:
    """In float64; where the differences to both sides are not the same, there is none."""
    layer = layer_of(name, settings)
    value, constants = layer.function.value, layer.constants_of(layer.function.value)
    x = np.random.default_rng(1).uniform(-6, 6, 500)
    before, y, after = (in_float64(value, {"x": x + side * STEP}, constants) for side in (-1, 0, 1))
    assert np.isfinite(y).all()
    smooth = np.abs(after - 2 * y + before) < 1e-3 * STEP * np.maximum(1, np.abs(y))
    assert smooth.mean() > 0.98
    dy = np.random.default_rng(2).standard_normal(500)
    arrays = {"x": x, "y": y, "sign": y, "dy": dy}
    found = in_float64(layer.gradient, arrays, layer.constants_of(layer.gradient))
    wanted = dy * (after - before) / (2 * STEP)
    np.testing.assert_allclose(found[smooth], wanted[smooth], rtol=1e-5, atol=1e-7)


@pytest.mark.slow
@each_case
def test_in_place(name: str, settings: str) -> None:
    """A kernel may write its result over any array that it reads."""
    layer = layer_of(name, settings)
    for formula in filter(None, (layer.function.value, layer.gradient)):
        arrays, constants = arrays_of(layer, 2 * BLOCK + 5), layer.constants_of(formula)
        given = [arrays[array] for array in formula.arrays]
        (beside,) = run_kernel(formula.name, given, [given[0].shape], **constants)
        for index in range(len(given)):
            copies = [array.copy() for array in given]
            run_plan(formula.name, [*copies, copies[index]], constants)
            assert copies[index].tobytes() == beside.tobytes(), f"{formula.name} over {formula.arrays[index]}"


@pytest.mark.parametrize("top", ["op", "x"])
@each_case
def test_layer(name: str, settings: str, top: str) -> None:
    """Compiled and run by seven threads, with a top of its own and in place."""
    layer = layer_of(name, settings)
    x = np.random.default_rng(3).uniform(-6, 6, (3, 4, 7, 5)).astype(np.float32)
    dy = np.random.default_rng(4).standard_normal(x.shape)
    arrays = {"x": x, "dy": dy}
    arrays["y"] = arrays["sign"] = in_float64(layer.function.value, arrays, layer.constants_of(layer.function.value))
    with runtime.compile(net_of(name, settings, top=top), threads=7) as exe:
        (y,) = exe.forward(x=x).values()
        np.testing.assert_allclose(y, arrays["y"], rtol=1e-5, atol=1e-6)
        if layer.gradient:
            exe.backward(**{top: dy})
            wanted = in_float64(layer.gradient, arrays, layer.constants_of(layer.gradient))
            np.testing.assert_allclose(exe.blob_grad("x"), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name not in dict(DIFFERENTIABLE)])
def test_a_function_without_gradient_sends_none(name: str) -> None:
    program = runtime.compile_program(net_of(name, ""))
    assert program.backward == () or all(one.layer != "op" for one in program.backward)
    assert FUNCTIONS[name].layer.no_gradient_to == (0,)


@pytest.mark.parametrize("name", [name for name, function in FUNCTIONS.items() if "" in function.cases])
def test_nan_stays_nan(name: str) -> None:
    value = FUNCTIONS[name].value
    (y,) = run_kernel(value.name, [np.full(40, np.nan, np.float32)], [(40,)], **layer_of(name, "").constants_of(value))
    assert np.isnan(y).all() or name == "Threshold"  # which is 0 unless the number is above the bound, as in Caffe


@pytest.mark.parametrize(
    ("text", "reads", "kernel"),
    [
        ("ReLU", set(), "relu_backward"),
        ("ReLU { negative_slope: -1 }", {"bottom"}, "relu_backward_from_input"),
        ("ELU", {"top"}, "elu_backward"),
        ("ELU { alpha: -1 }", {"bottom"}, "elu_backward_from_input"),
        ("Swish", {"top"}, "swish_backward"),  # Caffe keeps a copy of beta * x
        ("Log", {"bottom"}, "log_backward"),
    ],
)
def test_what_backward_reads_follows_from_the_gradient(text: str, reads: set[str], kernel: str) -> None:
    name, _, settings = text.replace("}", "").partition("{")
    layer = layer_of(name.strip(), settings)
    assert (layer.backward_reads, layer.gradient.name) == (reads, kernel)


def test_without_x_in_the_gradient_a_layer_works_in_place() -> None:
    """Of three layers, the first's input and output are one piece of memory only where its gradient does not read x."""

    def shared(name: str) -> bool:
        text = f"layer x: Input {{ shape {{ dim: 2 dim: 3 }} }} layer a: Power(x) {{ shift: 1 }} layer b: {name}(a)"
        net = netdef.parse(f"force_backward: true {text} layer loss: Power(b) {{ loss_weight: 1 }}", phase="train")
        program = runtime.compile_program(net, losses_only=True, keep="outputs")
        assert program.plan is not None
        a, b = (program.plan.span(program.blobs[net.blobs[blob]]) for blob in ("a", "b"))
        return a == b

    assert shared("Sigmoid") and shared("ReLU")
    assert not shared("BNLL")


def test_constants_are_float32_and_so_is_what_is_made_of_them() -> None:
    """A float64 literal or constant would make a kernel slower and round otherwise."""
    load_rooms("cpu")
    printed: Any = CPU_KERNELS["swish_forward"].function
    made: Any = njit(error_model="numpy")(printed.compiled.py_func)  # what numba finds in its cache has no text
    made(0, 1, x := numbers(40), x.copy(), 0.1)
    (text,) = made.inspect_llvm().values()
    assert re.search(r"\bf(mul|div)\b[^\n]* float ", text)
    assert not re.search(r"\bf(add|sub|mul|div|cmp)\b[^\n]* double ", text)


@pytest.mark.slow
def test_kernels_are_found_again_by_the_next_process() -> None:
    """Numba keeps what it compiled beside the table, and knows by it."""
    code = (
        "import numpy as np; from tests.runtime.harness import run_kernel; from runtime.kernels.cpu.registry import CPU_KERNELS\n"
        "x = np.zeros(40, np.float32); run_kernel('relu_forward', [x], [x.shape], slope=0.5)\n"
        "print(CPU_KERNELS['relu_forward'].function.compiled.stats.cache_hits.total())"
    )
    x = np.zeros(40, np.float32)
    run_kernel("relu_forward", [x], [x.shape], slope=0.5)
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "1\n"


LANGUAGES = {
    "Index", "__global__", "ctypes", "def", "else", "float", "for", "if", "in", "int", "min", "range", "return", "template", "void",
}  # fmt: skip


def unknown_call(x):
    return round(x)


def test_what_no_kernel_can_have_is_refused_when_it_is_declared() -> None:
    with pytest.raises(SyntaxError, match="it can call abs, exp") as caught:
        Function(unknown_call, {}, [""], "")
    assert caught.value.filename == __file__
    assert caught.value.lineno == unknown_call.__code__.co_firstlineno + 1


def test_names_of_printed_kernels_are_taken() -> None:
    """A formula with such an argument would mean something else."""
    for template in (cpu.KERNEL, cuda.KERNEL):
        own = set(re.findall(r"\b[A-Za-z_]\w*\b", re.sub(r"\{\w+\}\w*|np\.\w+", "", template)))
        assert own - LANGUAGES <= KERNELS_OWN


def test_an_argument_that_is_neither_number_nor_constant_is_refused() -> None:
    def scaled(x, alpha):
        return alpha * x

    with pytest.raises(TypeError, match="scaled takes alpha; it may take x, beta"):
        Function(scaled, {"beta": "beta"}, [""], "")


def test_operations_of_every_formula_are_counted() -> None:
    assert all(formula.expression.flops >= 1 for formula in FORMULAS.values())
    assert FORMULAS["sigmoid_forward"].expression.flops == 12
    assert FORMULAS["relu_forward"].expression.flops == 2  # the test of the slope is no operation
