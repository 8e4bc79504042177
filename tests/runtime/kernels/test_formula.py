"""Formulas read from plain functions, and printed for numba and CUDA."""

import numpy as np
import pytest

from runtime.kernels.formula import CPP, NUMBA, read


def softened(x, slope):
    """What is said of it is no part of it."""
    y = abs(x) + 1
    return x / y if x > 0 and slope != 1 else -slope * max(x, y**2)


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
    assert [name for name, _ in read(softened, {"slope"}).locals] == ["y"]
    assert len(read(split, ()).results) == 2


def test_numba_text_keeps_to_float32() -> None:
    found = read(softened, {"slope"})
    assert NUMBA.text(found.locals[0][1]) == "(abs(x) + np.float32(1.0))"
    assert NUMBA.text(found.results[0]) == (
        "((x / y) if ((x > np.float32(0.0)) and (slope != np.float32(1.0))) else ((-slope) * larger(x, (y ** np.float32(2.0)))))"
    )


def test_cuda_text() -> None:
    found = read(softened, {"slope"})
    assert CPP.text(found.locals[0][1]) == "(fabsf(x) + 1.0f)"
    assert CPP.text(found.results[0]) == "(((x > 0.0f) && (slope != 1.0f)) ? (x / y) : ((-slope) * larger(x, powf(y, 2.0f))))"


def test_operations_are_counted() -> None:
    """Those of constants are done once, not for each number."""
    assert read(split, ()).flops == 1
    assert read(softened, {"slope"}).flops == 2 + 1 + 1 + 1 + 1 + 25  # abs and +, >, /, *, max and a power
    assert read(softened, ()).flops == read(softened, {"slope"}).flops + 2


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (looping, "only names can be assigned"),
        (calling, "it can call abs"),
        (reading, "np is none of"),
        (naming, "'y' is no number"),
        (assigning, "x is something else already"),
        (shifting, "no kernel can have FloorDiv"),
        (returning, "it must end with the return"),
    ],
)
def test_what_no_kernel_can_have_is_refused(function, reason: str) -> None:
    with pytest.raises(SyntaxError, match=reason) as caught:
        read(function, ())
    assert caught.value.filename == __file__
