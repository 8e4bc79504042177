"""Formulas are read from plain functions; what no kernel can have is refused at its line."""

import numpy as np
import pytest

from netdef.layers.formula import read


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


def calling_a_method(x):
    return x.real


def calling_by_keyword(x):
    return abs(x=x)


def spreading(x):
    return max(*x)


def of_three(x):
    return max(x, 0, 1)


def of_two(x):
    return abs(x, 1)


def reading(x):
    return x + np


def reading_ahead(x):
    y = z  # noqa: F821
    z = x  # noqa: F841
    return y


def naming(x):
    return x + "y"


def infinite(x):
    return x * 1e999


def assigning(x):
    x = x + 1
    return x


def assigning_twice(x):
    y = z = x  # noqa: F841
    return y


def shifting(x):
    return x // 2


def adding_a_comparison(x):
    return x + (x > 0)


def returning_a_condition(x):
    return x or 1


def asking_for_a_number(x):
    return 1 if x else 0


def within(x):
    return 1 if x in (0, 1) else 0


def looking_up(x):
    return x[0]


def named_as_in_c(x):
    float = x + 1
    return float


def named_as_in_a_kernel(x):
    result = x + 1
    return result


def named_as_a_function(x, exp):
    return x + exp


def open_ended(*x):
    return x


def returning(x):
    x + 1


def returning_nothing(x):
    return


def test_a_function_is_read() -> None:
    assert [name for name, _ in read(softened, {"slope"}, 1).locals] == ["y"]
    assert len(read(split, (), 2).results) == 2


def test_operations_are_counted() -> None:
    """Those of constants are done once, not for each number."""
    assert read(split, (), 2).flops == 1
    assert read(softened, {"slope"}, 1).flops == 2 + 1 + 1 + 1 + 1 + 25  # abs and +, >, /, *, max and a power
    assert read(softened, (), 1).flops == read(softened, {"slope"}, 1).flops + 2


@pytest.mark.parametrize(
    ("function", "line", "reason"),
    [
        (looping, 1, "only names can be assigned"),
        (calling, 1, "it can call abs"),
        (calling_a_method, 1, "no kernel can have Attribute"),
        (calling_by_keyword, 1, "abs takes 1 number "),
        (spreading, 1, "max takes 2 numbers"),
        (of_three, 1, "max takes 2 numbers"),
        (of_two, 1, "abs takes 1 number "),
        (reading, 1, "np is none of"),
        (reading_ahead, 1, "z is none of"),
        (naming, 1, "'y' is no number"),
        (infinite, 1, "inf is no number"),
        (assigning, 1, "x is something else already"),
        (assigning_twice, 1, "only names can be assigned"),
        (shifting, 1, "no kernel can have FloorDiv"),
        (adding_a_comparison, 1, "a comparison is no number"),
        (returning_a_condition, 1, "a comparison is no number"),
        (asking_for_a_number, 1, "a condition compares numbers"),
        (within, 1, "a condition compares numbers"),
        (looking_up, 1, "no kernel can have Subscript"),
        (named_as_in_c, 1, "kernels have another use for the name float"),
        (named_as_in_a_kernel, 1, "kernels have another use for the name result"),
        (named_as_a_function, 0, "kernels have another use for the name exp"),
        (open_ended, 0, "its arguments are single names"),
        (returning, 1, "it must end with the return"),
        (returning_nothing, 1, "it must end with the return"),
        (split, 1, "it returns 2 numbers, not 1"),
    ],
)
def test_what_no_kernel_can_have_is_refused(function, line: int, reason: str) -> None:
    with pytest.raises(SyntaxError, match=reason) as caught:
        read(function, (), 1, taken={"result"})
    assert caught.value.filename == __file__
    assert caught.value.lineno == function.__code__.co_firstlineno + line
