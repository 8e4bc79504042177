"""Why a blob that a layer reads is not there: misspelt, made further down, part of a cycle, or of another phase."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from typing import Any

from netdef.graph.layer import Path
from netdef.graph.phases import State, stages_wanted, takes_part
from netdef.language.diagnostics import Diagnostic, Note, Position
from netdef.language.printer import print_text
from netdef.language.spelling import did_you_mean

THOROUGH = 20  # so many missing names get a search through the file; a file with more has one cause


class MissingBlobs:
    """Who writes and who reads each name, in the whole file."""

    def __init__(self, message: Any, where: Callable[[Path], Position | None], state: State):
        self.message = message
        self.where = where
        self.state = state
        self.writers: dict[str, list[int]] = {}
        self.readers: dict[str, list[int]] = {}
        self.absent: dict[str, int] = {}  # written by a layer that does not take part
        self.explained = 0
        unstaged: dict[str, int] = {}  # written by a layer that lacks a stage only, which is the likelier one
        for index, layer in enumerate(message.layer):
            if not takes_part(layer, state):
                makers = unstaged if stages_wanted(layer, state) else self.absent
                makers.update((top, index) for top in layer.top)
                continue
            for top in layer.top:
                self.writers.setdefault(top, []).append(index)
            for bottom in layer.bottom:
                self.readers.setdefault(bottom, []).append(index)
        self.absent.update(unstaged)

    def missing(self, reader: int, name: str, at: Position | None, known: Collection[str]) -> Diagnostic:
        """The diagnostic for layer number `reader`, which wants a blob that no layer before it makes."""
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
        return Diagnostic(f"layer {me} reads blob {name}, which no layer makes", at, hint=self.guess(name, known))

    def made_elsewhere(self, reader: int, name: str, at: Position | None, maker: int) -> Diagnostic:
        me, other = self.called(reader), self.called(maker)
        text = f"layer {me} reads blob {name}, but layer {other}, which makes it, takes no part in phase {self.state.phase}"
        hint = f"leave layer {me} out of this phase too, or give it another bottom"
        if all(layer.bottom or not takes_part(layer, self.state) for layer in self.message.layer):
            other_phase = "test" if self.state.phase == "train" else "train"
            hint = f"no layer brings data in phase {self.state.phase}; --phase {other_phase} looks at the other one"
        wanted = stages_wanted(self.message.layer[maker], self.state)
        if wanted:
            named = " and ".join(map(print_text, wanted))
            text += f" without the stage{'s' * (len(wanted) > 1)} {named}"
            stages = ", ".join(map(print_text, [*sorted(self.state.stages), *wanted]))
            hint = f"--set 'state.stage=[{stages}]' chooses it, as does stage: [{stages}] in the net's state or the solver's"
        return Diagnostic(text, at, hint=hint, notes=(self.note(other, maker),))

    def made_later(self, reader: int, name: str, at: Position | None, maker: int) -> Diagnostic:
        me, other = self.called(reader), self.called(maker)
        notes = (self.note(other, maker),)
        cycle = self.path(reader, maker) if self.explained <= THOROUGH else None
        if cycle:
            chain = " -> ".join(self.called(index) for index in [*cycle, reader])
            hint = "a net must run from its inputs to its outputs: break the circle"
            return Diagnostic(f"the layers go in a circle: {chain}", at, hint=hint, notes=notes)
        text = f"layer {me} reads blob {name}, which layer {other} makes only further down"
        return Diagnostic(text, at, hint=f"layers run in the order of the file: move {other} above {me}", notes=notes)

    def called(self, index: int) -> str:
        return self.message.layer[index].name or str(index + 1)

    def note(self, layer: str, index: int) -> Note:
        return Note(f"layer {layer} is here", self.where(("layer", index)))

    def guess(self, name: str, known: Collection[str]) -> str:
        return did_you_mean(name, known) if self.explained <= THOROUGH else ""

    def path(self, start: int, goal: int) -> list[int] | None:
        """The shortest way along the blobs from one layer to another; None if there is none."""
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
