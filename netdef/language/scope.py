"""Where in a file a block stands."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Scope:
    """Where a block stands: the message that it fills, the field that holds it, and the scope around that."""

    message: str
    name: str = ""
    outer: Scope | None = None
    type: str = ""  # of the layer, if it is written in one line
