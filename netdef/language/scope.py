"""The scope of a block: the message that it fills, and those around it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class Scope:
    """The message that a block fills, the field that holds it, and the scope around that."""

    message: str
    name: str = ""
    outer: Scope | None = None
    type: str = ""  # of a layer written in one line
