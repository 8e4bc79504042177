"""Pause garbage collection while building large graphs.

A net of 10,000 layers is a million objects, none of which becomes garbage. The collector traverses them again and again while they
are made: that takes as long as making them, and grows faster than the net.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def gc_paused(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Run a function without garbage collection: for one that makes many objects and keeps them."""

    @wraps(function)
    def wrapped(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        if not gc.isenabled():
            return function(*args, **kwargs)
        gc.disable()
        try:
            return function(*args, **kwargs)
        finally:
            gc.enable()

    return wrapped
