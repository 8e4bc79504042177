"""Explain why a blob that a layer reads does not exist: misspelt, made further down, in a cycle, or in the other phase."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any

from netdef.graph.layer import Path
from netdef.graph.phases import State, is_selected, missing_stages
from netdef.language.diagnostics import Diagnostic, Note, Position
from netdef.language.printer import print_text
from netdef.language.spelling import did_you_mean

MOST_SEARCHED = 20  # missing names that are explained by a search through the file; more of them have one cause


class MissingBlobs:
    """The layers that write and that read each name, in the whole file."""

    def __init__(
        self,
        message: Any,
        where: Callable[[Path], Position | None],
        state: State,
        removed: Mapping[str, str] = MappingProxyType({}),
    ):
        """`removed`: for each blob of a layer that the file removes, the hint about it."""
        self.message = message
        self.removed = removed
        self.where = where
        self.state = state
        self.writers: dict[str, list[int]] = {}
        self.readers: dict[str, list[int]] = {}
        self.absent: dict[str, int] = {}  # written by a layer that is not selected
        self.explained = 0
        unstaged: dict[str, int] = {}  # written by a layer that lacks only a stage: preferred to the others
        for index, layer in enumerate(message.layer):
            if not is_selected(layer, state):
                makers = unstaged if missing_stages(layer, state) else self.absent
                makers.update((top, index) for top in layer.top)
                continue
            for top in layer.top:
                self.writers.setdefault(top, []).append(index)
            for bottom in layer.bottom:
                self.readers.setdefault(bottom, []).append(index)
        self.absent.update(unstaged)

    def missing(self, reader: int, name: str, at: Position | None, known: Collection[str]) -> Diagnostic:
        """The diagnostic for layer number `reader`, which reads a blob that no layer before it makes."""
        self.explained += 1
        me = self.called(reader)
        later = [index for index in self.writers.get(name, ()) if index > reader]
        if later:
            return self.made_later(reader, name, at, later[0])
        if reader in self.writers.get(name, ()):
            in_place = name in self.message.layer[reader].bottom[: len(self.message.layer[reader].top)]
            text = f"layer {me} works in place on blob {name}, which nothing makes before it"
            if not in_place:
                text = f"layer {me} reads blob {name}, its own top"
            return Diagnostic(text, at, hint=self.guess(name, known))
        if name in self.absent:
            return self.made_elsewhere(reader, name, at, self.absent[name])
        hint = self.removed.get(name) or self.guess(name, known)
        return Diagnostic(f"layer {me} reads blob {name}, which no layer makes", at, hint=hint)

    def made_elsewhere(self, reader: int, name: str, at: Position | None, maker: int) -> Diagnostic:
        me, other = self.called(reader), self.called(maker)
        text = f"layer {me} reads blob {name}, but layer {other}, which makes it, is not in phase {self.state.phase}"
        hint = f"leave layer {me} out of this phase too, or let it read another blob"
        if all(layer.bottom or not is_selected(layer, self.state) for layer in self.message.layer):
            other_phase = "test" if self.state.phase == "train" else "train"
            hint = f"no layer reads data in phase {self.state.phase}; --phase {other_phase} selects the other one"
        missing = missing_stages(self.message.layer[maker], self.state)
        if missing:
            named = " and ".join(map(print_text, missing))
            text += f" without the stage{'s' * (len(missing) > 1)} {named}"
            stages = ", ".join(map(print_text, [*sorted(self.state.stages), *missing]))
            hint = f"--set 'state.stage=[{stages}]' selects it, as does stage: [{stages}] in the net's state or the solver's"
        return Diagnostic(text, at, hint=hint, notes=(self.note(other, maker),))

    def made_later(self, reader: int, name: str, at: Position | None, maker: int) -> Diagnostic:
        me, other = self.called(reader), self.called(maker)
        notes = (self.note(other, maker),)
        cycle = self.path(reader, maker) if self.explained <= MOST_SEARCHED else None
        if cycle:
            chain = " -> ".join(self.called(index) for index in [*cycle, reader])
            hint = "layers run from inputs to outputs: break the cycle"
            return Diagnostic(f"the layers form a cycle: {chain}", at, hint=hint, notes=notes)
        text = f"layer {me} reads blob {name}, which layer {other} makes only further down"
        return Diagnostic(text, at, hint=f"layers run in the order of the file: move {other} above {me}", notes=notes)

    def called(self, index: int) -> str:
        return self.message.layer[index].name or str(index + 1)

    def note(self, layer: str, index: int) -> Note:
        return Note(f"layer {layer} is here", self.where(("layer", index)))

    def guess(self, name: str, known: Collection[str]) -> str:
        return did_you_mean(name, known) if self.explained <= MOST_SEARCHED else ""

    def path(self, start: int, goal: int) -> list[int] | None:
        """The shortest path along the blobs from one layer to another; None if there is none."""
        came_from = {start: start}
        queue = deque([start])
        while queue:
            index = queue.popleft()
            if index == goal:
                way = [goal]
                while way[-1] != start:
                    way.append(came_from[way[-1]])
                return way[::-1]
            for top in self.message.layer[index].top:
                for reader in self.readers.get(top, ()):
                    if reader not in came_from:
                        came_from[reader] = index
                        queue.append(reader)
        return None
