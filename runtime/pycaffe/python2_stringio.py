"""StringIO and cStringIO as Python 2 has them: a file in memory for texts, whose characters are bytes."""

from __future__ import annotations

from io import BytesIO
from typing import Any


class StringIO(BytesIO):
    """Takes bytes and text.  `getvalue` gives text where only text was written, else bytes."""

    def __init__(self, initial: Any = ""):
        self._is_text = isinstance(initial, str)
        super().__init__(_encoded(initial))

    def write(self, data: Any) -> int:
        self._is_text &= isinstance(data, str)
        return super().write(_encoded(data))

    def getvalue(self) -> Any:
        value = super().getvalue()
        return value.decode("latin1") if self._is_text else value


def _encoded(data: Any) -> Any:
    return data.encode("latin1", "replace") if isinstance(data, str) else data
