"""Marks of single cases."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def slow_except(fast: str | int, cases: Iterable[Any]) -> list[Any]:
    """Cases for `parametrize`, all marked slow but those of this name: a name by itself, or first of several values."""
    values = [case if isinstance(case, tuple) else (case,) for case in cases]
    return [pytest.param(*value, marks=() if value[0] == fast else pytest.mark.slow) for value in values]
