"""What writes records, to a place that may hold what an interrupted conversion has written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from runtime.data.datum import Datum

Item = tuple[bytes, Datum]


class Writer(ABC):
    """Where records go.  Batches are written whole or not at all, or can be written again; what `write` has written is on disk."""

    def __init__(self, path: Path):
        self.path = path

    def ready(self, datum: Datum, name: str) -> Datum:
        """A record as `write` takes it; called from several threads at once.

        Raises
        ------
        UnreadableError: it is damaged, or is nothing that can be written so.
        """
        return datum

    @abstractmethod
    def write(self, first: int, items: Sequence[Item]) -> None:
        """Write records.

        Parameters
        ----------
        first: how many have been written before these.
        """

    @abstractmethod
    def cut(self, count: int) -> None:
        """Keep the first `count` records that were written, in the order of their keys, and remove the others."""

    @abstractmethod
    def close(self) -> None:
        """Write what is not written yet."""

    def finish(self) -> None:  # noqa: B027 - most have nothing to do
        """Make what the records are kept in, after the last of them is written and the writer is closed."""
