"""The order in which a stream goes through the entries of a list or a database, again and again."""

from __future__ import annotations

from functools import lru_cache
from threading import Lock

from netdef.language.diagnostics import NetdefError
from runtime.data.draws import SKIP, Draws, below
from runtime.data.settings import Settings

EPOCHS_KEPT = 2  # workers may be in two epochs at once


class Order:
    """Entries in turn, or shuffled anew in each epoch; the first up to `rand_skip` of the stream left out.

    Parameters
    ----------
    size: how many entries there are.  draws: the layer's random numbers.  name: of the list, for messages.

    Raises
    ------
    NetdefError: rand_skip skips them all.
    """

    def __init__(self, size: int, settings: Settings, draws: Draws, name: str):
        if settings.rand_skip > size:
            raise NetdefError(f"{settings.name}: rand_skip is {settings.rand_skip}, {name} has only {size} images")
        self.size, self._shuffle = size, settings.shuffle
        self._skip = below(draws.words(SKIP, 0)[0], max(1, settings.rand_skip))
        self._permutation = lru_cache(EPOCHS_KEPT)(draws.permutation)
        self._lock = Lock()

    def entry(self, position: int) -> int:
        """The index of the entry at a position of the stream; called from several threads at once."""
        epoch, index = divmod(position + self._skip, self.size)
        if not self._shuffle:
            return index
        with self._lock:
            return int(self._permutation(epoch, self.size)[index])
