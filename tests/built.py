"""What tests build once: for all workers of a run, and for the runs to come, under names that say all that it depends on."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

from tests.paths import ROOT

FOLDER = ROOT / ".pytest_cache" / "d" / "built"  # which `pytest --cache-clear` removes
KEPT = 14 * 24 * 3600  # seconds after their last use


def built(key: str, suffix: str, make: Callable[[Path], None]) -> Path:
    """The file for a key; `make` writes it if no test has before, while other workers wait.

    Parameters
    ----------
    key: all that the file depends on: sources, commands, versions of compilers.
    """
    _drop_unused()
    path = FOLDER / f"{digest(key)}{suffix}"
    with _locked(path.with_name(f"{path.name}.lock")):
        if path.exists():
            os.utime(path)
        else:
            new = path.with_name(f"{path.stem}.new{suffix}")
            make(new)
            new.replace(path)
    return path


def built_json(key: str, make: Callable[[], Any]) -> Any:
    """What `make` returned for a key, in JSON's types."""
    return json.loads(built(key, ".json", lambda path: _write(path, json.dumps(make()))).read_text())


def digest(key: str) -> str:
    return blake2b(key.encode(), digest_size=12).hexdigest()


@cache
def digest_of_sources() -> str:
    """Of all that netdef, runtime and the models consist of."""
    paths = (path for folder in ("netdef", "runtime", "models") for path in sorted((ROOT / folder).rglob("*")))
    files = (path for path in paths if path.is_file() and path.parent.name != "__pycache__")
    texts = (f"{path.relative_to(ROOT)} {blake2b(path.read_bytes()).hexdigest()}" for path in files)
    return digest("\n".join(texts))


def _write(path: Path, text: str) -> None:
    path.write_text(text)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@cache
def _drop_unused() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path in FOLDER.iterdir():
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > KEPT:
                path.unlink()
