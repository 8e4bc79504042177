"""The nets of the package, opened once a process for all tests that only look at them."""

from functools import cache

import netdef


def load(name: str, phase: str = "test") -> netdef.Net:
    return _load(name, phase)


@cache
def _load(name: str, phase: str) -> netdef.Net:
    return netdef.load(name, phase=phase)
