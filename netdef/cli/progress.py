"""A progress bar on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from netdef.language.printable import raw


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Gives what to call with how many of `total` are done."""
    bar: Any = nullcontext()
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.progress import Progress

        bar = Progress(console=Console(file=raw(sys.stdout)), transient=True)
    with bar as shown:
        task = shown.add_task(what, total=total) if shown is not None else None
        yield lambda done: None if shown is None else shown.update(task, completed=done)
