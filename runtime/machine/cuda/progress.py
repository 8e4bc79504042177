"""What a card may be at work on, for errors that it reports only when it is waited for."""

from __future__ import annotations

from collections.abc import Sequence

from runtime.machine.device import NAMED_EXACTLY, BoundInstruction


class Progress:
    """The first and the last of the instructions that were put on a card's streams since it was last known to have done all."""

    def __init__(self) -> None:
        self.first: BoundInstruction | None = None
        self._last: BoundInstruction | None = None

    def put(self, bound: Sequence[BoundInstruction]) -> None:
        """Note what is put on a stream."""
        if bound:
            self.first = self.first or bound[0]
            self._last = bound[-1]

    def done(self) -> None:
        """Note that the card has been waited for, and nothing failed."""
        self.first = self._last = None

    @property
    def suspects(self) -> str:
        """Which instructions an error that shows now may come from."""
        names = [getattr(bound, "description", "a copy to another card") for bound in (self.first, self._last)]
        which = f"it was {names[0]}" if self.first is self._last else f"it was run between {names[0]} and {names[1]}"
        return f"{which}, or a copy; {NAMED_EXACTLY}"
