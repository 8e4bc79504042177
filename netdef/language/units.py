"""Numbers with units, for people."""

from __future__ import annotations

from collections.abc import Sequence


def thousands(count: int) -> str:
    """60,965,224."""
    return f"{count:,}"


def plural(count: int, noun: str, nouns: str = "") -> str:
    """1 bottom, 2 bottoms, no bottoms."""
    return f"{count or 'no'} {noun if count == 1 else nouns or noun + 's'}"


def range_text(low: int, high: int | None) -> str:
    """1; 1 or 2; 1 to 3; 1 or more; none; any number."""
    if high is None:
        return f"{low} or more" if low else "any number"
    if low == high:
        return str(low) if low else "none"
    return f"{low} to {high}" if high > low + 1 else f"{low} or {high}"


LISTED = 8  # names in a hint


def shortened(names: Sequence[str], most: int = LISTED) -> str:
    """a, b and 3 more."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def times(count: int) -> str:
    """once, 2 times."""
    return "once" if count == 1 else f"{count} times"


def decimal(count: float, unit: str = "") -> str:
    """105.4 M, 1.14 G: three or four figures and a power of 1000."""
    for factor, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= factor:
            return f"{_figures(count / factor)} {letter}{unit}"
    return f"{count:.0f} {unit}".rstrip()


def _figures(number: float) -> str:
    return f"{number:.2f}" if number < 9.995 else f"{number:.1f}"


def binary(count: float) -> str:
    """55.4 MiB."""
    for factor, letter in ((2**40, "Ti"), (2**30, "Gi"), (2**20, "Mi"), (2**10, "Ki")):
        if count >= factor:
            return f"{_figures(count / factor)} {letter}B"
    return f"{count:.0f} B"
