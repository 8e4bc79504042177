"""Captured lists: instructions that are run in the same order again and again go to the card as one CUDA graph."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from netdef.language.diagnostics import Remark
from runtime.machine.cuda.cards import first_line
from runtime.machine.device import BoundInstruction, run_in_order

SHORTEST = 4  # instructions; fewer are not worth a graph
MOST = 256  # lists that are remembered


@dataclass
class Captured:
    """A list of bound instructions.  `launches`: what runs it, once it is captured."""

    bound: tuple[BoundInstruction, ...]
    launches: list[BoundInstruction] = field(default_factory=list)


class Graphs:
    """Runs lists of bound instructions on a stream; the second time that a list comes it is captured, from then on replayed.

    The first time compiles and loads, which a capture must not.  A list is known by its instructions, not by its object.

    Parameters
    ----------
    device: the card's name, for errors.
    enabled: False runs every instruction by itself, always.
    can_capture: whether an instruction may be part of a graph.
    """

    def __init__(self, device: str, stream: Any, enabled: bool, can_capture: Callable[[BoundInstruction], bool]):
        self._device, self._stream, self.enabled, self._can_capture = device, stream, enabled, can_capture
        self._known: OrderedDict[tuple[int, ...], Captured] = OrderedDict()

    def run(self, bound: Sequence[BoundInstruction]) -> None:
        """Put bound instructions on the stream, in order.

        Raises
        ------
        LaunchError: one failed.
        """
        if not self.enabled or len(bound) < SHORTEST:
            return run_in_order(self._device, bound)
        key = tuple(map(id, bound))
        known = self._known.get(key)
        if known is None:
            self._known[key] = Captured(tuple(bound))  # which keeps them, and so their ids
            if len(self._known) > MOST:
                self._known.popitem(last=False)
            return run_in_order(self._device, bound)
        if not known.launches:
            known.launches = self._capture(known.bound)
        run_in_order(self._device, known.launches)

    def clear(self) -> None:
        """Drop all graphs."""
        self._known.clear()

    def forget(self, gone: Collection[int]) -> None:
        """Drop the graphs of lists that have any of the bound instructions with these ids."""
        for key in [key for key in self._known if not set(key).isdisjoint(gone)]:
            del self._known[key]

    def _capture(self, bound: tuple[BoundInstruction, ...]) -> list[BoundInstruction]:
        """A graph for each run of instructions that can be in one; the others stay as they are."""
        launches: list[BoundInstruction] = []
        for capturable, group in groupby(bound, self._can_capture):
            members = list(group)
            if not (capturable and len(members) >= SHORTEST and self.enabled):
                launches += members
                continue
            graph = self._record(members)
            launches += members if graph is None else [lambda graph=graph: graph.launch(self._stream)]  # type: ignore[misc]
        return launches

    def _record(self, bound: list[BoundInstruction]) -> Any:
        """The graph of some instructions; None, and no more graphs, if this card, driver or CuPy does not allow it."""
        try:
            self._stream.begin_capture()
            try:
                for instruction in bound:
                    instruction()
            finally:
                graph = self._stream.end_capture()
            return graph
        except Exception as error:
            self.enabled = False
            cause: BaseException = error
            while cause.__context__ is not None:  # what broke the capture, rather than that it is broken
                cause = cause.__context__
            warnings.warn(f"no CUDA graphs, every kernel is launched by itself: {first_line(cause)}", Remark, stacklevel=2)
            return None
