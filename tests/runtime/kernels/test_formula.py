"""Formulas read from plain functions, and printed for numba and CUDA."""

import numpy as np
import pytest

from runtime.kernels.formula import Formula, cpp, flops, parse, python


def softened(x, slope):
    """What is said of it is no part of it."""
    y = abs(x) + 1
    return x / y if x > 0 and slope != 1 else -slope * max(x, y ** 2)


def split(x):
    return x, 2 * x


def looping(x):
    for _ in range(3):
        x = x + 1
    return x


def calling(x):
    return round(x)


def reading(x):
    return x + np


def naming(x):
    return x + "y"


def assigning(x):
    x = x + 1
    return x


def shifting(x):
    return x // 2


def returning(x):
    x + 1


def test_a_function_is_read() -> None:
    formula = parse(softened)
    assert (formula.name, formula.arguments) == ("softened", ("x", "slope"))
    assert [name for name, _ in formula.locals] == ["y"]
    assert len(parse(split).results) == 2


def test_numba_text_keeps_to_float32() -> None:
    formula = parse(softened)
    assert python(formula.locals[0][1]) == "abs(x) + np.float32(1)"
    assert python(formula.results[0]) == (
        "x / y if x > np.float32(0) and slope != np.float32(1) else -slope * larger(x, y ** np.float32(2))"
    )


def test_cuda_text_has_all_parentheses() -> None:
    formula = parse(softened)
    assert cpp(formula.locals[0][1]) == "(fabsf(x) + 1.0f)"
    assert cpp(formula.results[0]) == "(((x > 0.0f) && (slope != 1.0f)) ? (x / y) : ((-slope) * larger(x, powf(y, 2.0f))))"


def test_operations_are_counted() -> None:
    assert flops(parse(split)) == 1
    assert flops(parse(softened)) == 1 + 1 + 2 + 1 + 1 + 1 + 25  # +; /, two comparisons, -, *, max and a power


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (looping, "only names can be assigned"),
        (calling, "it can call abs"),
        (reading, "np is none of"),
        (naming, "'y' is no number"),
        (assigning, "x is assigned twice"),
        (shifting, "no kernel can have FloorDiv"),
        (returning, "it must end with the return"),
    ],
)
def test_what_no_kernel_can_have_is_refused(function, reason: str) -> None:
    with pytest.raises(SyntaxError, match=reason) as caught:
        parse(function)
    assert caught.value.filename == __file__


def test_a_formula_knows_where_it_stands() -> None:
    formula: Formula = parse(split)
    assert formula.file == __file__
    assert formula.line == split.__code__.co_firstlineno
