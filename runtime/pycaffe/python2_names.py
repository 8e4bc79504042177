"""What Python 2 has under names that Python 3 lacks, or uses for something else.  Translated files import what they need."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Iterable
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import reduce
from importlib import reload
from io import BufferedWriter, FileIO
from numbers import Integral
from typing import Any

import numpy as np

__all__ = [
    "as_list", "basestring", "cmp", "divide", "divide_in_place", "file", "filter", "long", "map", "next_of", "open",
    "range", "raw_input", "reduce", "reload", "round", "unichr", "unicode", "xrange", "zip",
]  # fmt: skip

as_list = builtins.list
basestring = unicode = str
long = int
unichr = chr
xrange = builtins.range
raw_input = builtins.input


def cmp(a: Any, b: Any) -> int:
    """-1, 0 or 1: how a compares with b."""
    return int(a > b) - int(a < b)


def range(*arguments: int) -> list[int]:
    return list(builtins.range(*arguments))


def zip(*iterables: Iterable[Any]) -> list[tuple[Any, ...]]:
    return list(builtins.zip(*iterables, strict=False))


def map(function: Callable[..., Any] | None, *iterables: Iterable[Any]) -> list[Any]:
    return list(builtins.map(function, *iterables)) if function else zip(*iterables)


def filter(function: Callable[[Any], Any] | None, iterable: Iterable[Any]) -> list[Any]:
    return list(builtins.filter(function, iterable))


def round(number: Any, digits: int = 0) -> float:
    """The nearest number of so many digits; of two as near, the one away from zero."""
    value = float(number)
    if not math.isfinite(value) or digits > 330:  # no float has digits behind that
        return value
    unit = Decimal(1).scaleb(-digits)
    return float(Decimal(value).quantize(unit, ROUND_HALF_UP, Context(prec=700)))


class _Writer(BufferedWriter):
    """A binary file that takes text too, whose characters are bytes in Python 2."""

    def write(self, data: Any) -> int:
        return super().write(data.encode("latin1") if isinstance(data, str) else data)


def open(name: Any, mode: str = "r", buffering: int = -1) -> Any:
    if "b" in mode and "r" not in mode and "+" not in mode:
        return _Writer(FileIO(name, mode.replace("b", "")))
    return builtins.open(name, mode.replace("U", "") or "r", buffering if buffering != 0 or "b" in mode else 1)


file = open


def _are_whole(a: Any, b: Any) -> bool:
    return all(isinstance(one, Integral) or (isinstance(one, np.ndarray) and one.dtype.kind in "biu") for one in (a, b))


def divide(a: Any, b: Any) -> Any:
    """a / b as Python 2 has it: of whole numbers, rounded down."""
    return a // b if _are_whole(a, b) else a / b


def divide_in_place(a: Any, b: Any) -> Any:
    """What a becomes by a /= b."""
    if _are_whole(a, b):
        a //= b
    else:
        a /= b
    return a


def next_of(iterator: Any) -> Any:
    """iterator.next(): its own, or what Python 3 calls __next__."""
    own = getattr(iterator, "next", None)
    return own() if own is not None else next(iterator)
