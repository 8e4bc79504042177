"""Names that nothing else in a file has."""

from __future__ import annotations


def free_name(name: str, taken: set[str], separator: str = ".") -> str:
    """The name, with a number where it is taken; it is taken from now on."""
    count, free = 1, name
    while free in taken:
        count += 1
        free = f"{name}{separator}{count}"
    taken.add(free)
    return free
