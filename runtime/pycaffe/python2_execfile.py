"""Python 2's execfile."""

from __future__ import annotations

import sys
from typing import Any

from runtime.pycaffe.python2 import translated


def execfile(path: str, names: dict[str, Any] | None = None, local: Any = None) -> None:
    """Run a file, itself perhaps of Python 2, by default among the names of the module that calls."""
    names = sys._getframe(1).f_globals if names is None else names
    exec(compile(translated(path)[0], path, "exec", dont_inherit=True), names, local)
