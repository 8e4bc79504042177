"""Captured lists: instructions that are run in the same order again and again go to the card as one CUDA graph."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Any

from netdef.language.diagnostics import Remark
from runtime.machine.cuda.cards import first_line
from runtime.machine.device import BoundInstruction, run_in_order

SHORTEST = 4  # instructions; fewer are not worth a graph
MOST = 256  # lists that are remembered


@dataclass
class Captured:
    """A list of bound instructions.  `launches`: what runs it, once it is captured; each raises LaunchError."""

    bound: tuple[BoundInstruction, ...]
    launches: list[Callable[[], None]] = field(default_factory=list)


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
        for launch in known.launches:
            launch()

    @property
    def captured(self) -> int:
        """How many lists are replayed, each as graphs and what cannot be in one."""
        return sum(bool(known.launches) for known in self._known.values()) if self.enabled else 0

    def clear(self) -> None:
        """Drop all graphs."""
        self._known.clear()

    def forget(self, gone: Collection[int]) -> None:
        """Drop the graphs of lists that have any of the bound instructions with these ids."""
        for key in [key for key in self._known if not set(key).isdisjoint(gone)]:
            del self._known[key]

    def _capture(self, bound: tuple[BoundInstruction, ...]) -> list[Callable[[], None]]:
        """A graph for each run of instructions that can be in one; the others stay as they are."""
        launches: list[Callable[[], None]] = []
        for capturable, group in groupby(bound, self._can_capture):
            members = list(group)
            worth_it = capturable and len(members) >= SHORTEST and self.enabled
            graph = self._record(members) if worth_it else None
            one_by_one = partial(run_in_order, self._device, members)
            launches.append(one_by_one if graph is None else partial(self._launch, graph, members))
        return launches

    def _launch(self, graph: Any, members: Sequence[BoundInstruction]) -> None:
        """Put a graph on the stream; where the card refuses it, its instructions one by one, so that the one that fails is known.

        Raises
        ------
        LaunchError: an instruction failed.
        """
        try:
            graph.launch(self._stream)
        except Exception as error:
            self._stream.synchronize()  # raises what failed before this graph
            run_in_order(self._device, members, self._stream.synchronize)
            self._stop_capturing(error)

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
            cause: BaseException = error
            while cause.__context__ is not None:  # what broke the capture, rather than that it is broken
                cause = cause.__context__
            self._stop_capturing(cause)
            return None

    def _stop_capturing(self, because: BaseException) -> None:
        self.enabled = False
        warnings.warn(f"no CUDA graphs, every kernel is launched by itself: {first_line(because)}", Remark, stacklevel=2)
