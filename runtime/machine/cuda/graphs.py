"""Captured lists: steps that are run in the same order again and again go to the card as one CUDA graph."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from netdef.language.diagnostics import Remark
from runtime.machine.cuda.cards import first_line
from runtime.machine.device import Step, StepError

SHORTEST = 4  # steps; fewer are not worth a graph
MOST = 256  # lists that are remembered


@dataclass
class Captured:
    """A list of steps.  `launches`: what runs it, once it is captured."""

    steps: tuple[Step, ...]
    launches: list[Callable[[], None]] = field(default_factory=list)


class Graphs:
    """Runs lists of steps on a stream; the second time that a list comes it is captured, from then on replayed.

    The first time compiles and loads, which a capture must not.  A list is known by its steps, not by its object.

    Parameters
    ----------
    device: its name, for messages.
    enabled: False runs every step by itself, always.
    can_capture: whether a step may be part of a graph.
    """

    def __init__(self, device: str, stream: Any, enabled: bool, can_capture: Callable[[Step], bool]):
        self._device, self._stream, self.enabled, self._can_capture = device, stream, enabled, can_capture
        self._known: OrderedDict[tuple[int, ...], Captured] = OrderedDict()

    def run(self, steps: Sequence[Step]) -> None:
        """Put the steps on the stream, in order."""
        if not self.enabled or len(steps) < SHORTEST:
            return self._run(steps)
        key = tuple(map(id, steps))
        known = self._known.get(key)
        if known is None:
            self._known[key] = Captured(tuple(steps))  # which keeps the steps, and so their ids
            if len(self._known) > MOST:
                self._known.popitem(last=False)
            return self._run(steps)
        if not known.launches:
            known.launches = self._capture(known.steps)
        _launch(known.launches)

    def forget(self) -> None:
        """Drop all graphs."""
        self._known.clear()

    def _capture(self, steps: tuple[Step, ...]) -> list[Callable[[], None]]:
        """A graph for each run of steps that can be in one; the others stay as they are."""
        launches: list[Callable[[], None]] = []
        for capturable, group in groupby(steps, self._can_capture):
            part = list(group)
            if not (capturable and len(part) >= SHORTEST and self.enabled):
                launches += part
                continue
            graph = self._record(part)
            launches += part if graph is None else [lambda graph=graph: graph.launch(self._stream)]  # type: ignore[misc]
        return launches

    def _run(self, steps: Sequence[Step]) -> None:
        for step in steps:
            try:
                step()
            except Exception as error:
                raise StepError(self._device, step) from error

    def _record(self, steps: list[Step]) -> Any:
        """The graph of some steps; None, and no more graphs, if this card, driver or CuPy does not allow it."""
        try:
            self._stream.begin_capture()
            try:
                self._run(steps)
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


def _launch(launches: Sequence[Callable[[], None]]) -> None:
    for launch in launches:
        launch()
