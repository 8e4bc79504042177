"""Images that cannot be read: named once, counted, and too many of them an error."""

from __future__ import annotations

from netdef.language.diagnostics import NetdefError
from runtime.data.source import UnreadableError

FEW = 100  # that may be skipped, however many others there are
SHARE = 10  # beyond these: one in so many
HALF, LEAST = 2, 2  # more than one in HALF of all entries, and at least LEAST, are too many too


def too_many(bad: int, tried: int, size: int) -> bool:
    """Whether so many entries of `size`, of which some were tried, cannot be read that the rest is of no use."""
    return (bad > FEW and bad * SHARE > tried) or (bad >= LEAST and bad * HALF > size)


class Skipped:
    """The entries of a list or a database that cannot be read.

    Parameters
    ----------
    name: of the list.  size: how many entries it has.
    """

    def __init__(self, name: str, size: int):
        self._name, self._size = name, size
        self._bad: dict[int, UnreadableError] = {}
        self._tried = 0

    def check(self, entry: int) -> None:
        """Raises UnreadableError: the entry was found to be unreadable before."""
        self._tried += 1
        if entry in self._bad:
            raise UnreadableError(self._bad[entry].path, self._bad[entry].reason)

    def add(self, entry: int, unreadable: UnreadableError) -> None:
        """Count an entry that cannot be read.

        Raises
        ------
        NetdefError: that makes too many of them.
        """
        self._bad[entry] = unreadable
        last = f"the last one tried: {unreadable.path}: {unreadable.reason}"
        if len(self._bad) == self._size:
            raise NetdefError(f"none of the {self._size:,} images of {self._name} can be read", hint=last)
        if too_many(len(self._bad), self._tried, self._size):
            text = f"{len(self._bad):,} of the first {self._tried:,} images of {self._name} cannot be read: too many"
            raise NetdefError(text, hint=last)
