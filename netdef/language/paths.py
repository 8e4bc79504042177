"""Paths that callers give."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from netdef.language.diagnostics import NetdefError


def path_of(value: Any, what: str) -> Path:
    """A path that a caller gives.  what: it leads to, with its article.

    Raises
    ------
    NetdefError: it is no path.
    """
    if not isinstance(value, str | os.PathLike):
        raise NetdefError(f"expected the path of {what}, not {type(value).__name__}")
    return Path(value)
