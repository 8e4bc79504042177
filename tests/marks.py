"""Marks of single cases."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

RELEASE = (pytest.mark.slow, pytest.mark.release)  # of a case that runs before a release, `python -m pytest -m release`

LONG_NETS = ("densenet121", "inception_v3", "resnet101", "resnet152", "resnext50", "vgg19")  # the layers of others, more of them


def before_release(test: Any) -> Any:
    """Mark a test so that it runs before a release only: a smaller one beside it runs with all others."""
    return pytest.mark.slow(pytest.mark.release(test))


def of_release(cases: Iterable[Any]) -> list[Any]:
    """Cases for `parametrize` that run before a release only."""
    return [pytest.param(case, marks=RELEASE) for case in cases]


def slow_except(fast: str | int, cases: Iterable[Any]) -> list[Any]:
    """Cases for `parametrize`, all marked slow but those of this name: a name by itself, or first of several values."""
    values = [case if isinstance(case, tuple) else (case,) for case in cases]
    return [pytest.param(*value, marks=() if value[0] == fast else pytest.mark.slow) for value in values]
