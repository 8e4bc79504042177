"""pickle as Python 2 has it: files opened as text are read, and its own pickles, whose texts are bytes."""

from __future__ import annotations

import pickle
from typing import Any


def load(file: Any, **options: Any) -> Any:
    return pickle.load(getattr(file, "buffer", file), **{"encoding": "latin1", **options})


def loads(data: bytes | str, **options: Any) -> Any:
    given = data.encode("latin1") if isinstance(data, str) else data
    return pickle.loads(given, **{"encoding": "latin1", **options})


def __getattr__(name: str) -> Any:
    return getattr(pickle, name)
