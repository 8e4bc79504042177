"""Networks that start from another one: `include`, `remove` and `bypass layer`, and layers that take the place of their namesakes.

The layers of an included file stand where the include does. A layer further down, in another file, takes the place of those
of its name that take part in a phase of its own. In the end the layers are put in an order in which they can run, as close to
the order in which they stand as may be: a layer that is new goes before the first one that reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from pathlib import Path
from typing import Any

from netdef import schema
from netdef.language.bypass import BypassError, Slot, bypass, is_bypassable
from netdef.language.nodes import Remove
from netdef.schema.origins import Origins

BOTH = frozenset({schema.TRAIN, schema.TEST})


@dataclass
class Inheritance:
    """Layers and fields that a network takes from included files.

    Attributes
    ----------
    marks: (layer number, file number): from that layer on, layers are of that file; the network's own file is number 0.
    removals: (layer number, statement): removes or bypasses layers before that number.
    removed: for each top of a removed layer, what to write instead.
    files: all files that are included.
    inherited: fields of the network that an included file gives.
    """

    marks: list[tuple[int, int]] = field(default_factory=list)
    removals: list[tuple[int, Remove]] = field(default_factory=list)
    removed: dict[str, str] = field(default_factory=dict)
    files: set[Path] = field(default_factory=set)
    inherited: set[str] = field(default_factory=set)
    count: int = 0

    def enter(self, layers: int) -> int:
        """Begin a file; returns the number of the one that it is included by."""
        outer = self.marks[-1][1] if self.marks else 0
        self.count += 1
        self.marks.append((layers, self.count))
        return outer

    def leave(self, layers: int, outer: int) -> None:
        self.marks.append((layers, outer))


def locate(name: str, folder: Path) -> Path | None:
    """The file that `include` names: beside the file that includes it, else one of the models; None if there is none."""
    from netdef.language.find import models_folder

    for path in (folder / name, models_folder() / name, models_folder() / f"{name}.net"):
        try:
            if path.is_file():
                return path
        except (OSError, ValueError):
            return None
    return None


def assemble(
    net: Any,
    origins: Origins,
    heritage: Inheritance,
    missing: Callable[[Remove, Iterable[str]], None],
    several: Callable[[int, int], None],
    impossible: Callable[[Remove, BypassError], None],
) -> dict[int, int]:
    """Drop layers that are removed or replaced, and order the rest. Returns the new number of each layer that stays.

    Parameters
    ----------
    missing: called for a statement that removes no layer, with the names of all layers.
    several: called for the number of a layer that would replace more than one, with how many of these run together.
    impossible: called for a statement that cannot bypass its layer.
    """
    slots, bypasses = _slots(net, heritage, missing, several)
    for statement, bypassed in bypasses:
        try:
            bypass(statement, bypassed, slots)
        except BypassError as error:
            impossible(statement, error)
        slots = [slot for slot in slots if slot not in bypassed]
    order = runnable([net.layer[slot.layer] for slot in slots])
    chosen = [slots[index].layer for index in order]
    layers = [net.layer[number] for number in chosen]
    held = type(net)()
    held.layer.extend(layers)
    net.ClearField("layer")
    net.layer.extend(held.layer)
    entries = origins.fields.get("layer")
    if isinstance(entries, list):
        origins.fields["layer"] = [entries[number] for number in chosen]
    return {number: index for index, number in enumerate(chosen)}


def _slots(
    net: Any, heritage: Inheritance, missing: Callable[[Remove, Iterable[str]], None], several: Callable[[int, int], None]
) -> tuple[list[Slot], list[tuple[Remove, list[Slot]]]]:
    """The layers that stay or are bypassed, in the order of the files; and those that each statement bypasses.

    A layer that replaces others is at the index of the first of them.
    """
    slots: list[Slot] = []
    named: dict[str, list[Slot]] = {}
    bypasses: list[tuple[Remove, list[Slot]]] = []
    marks, removals = list(heritage.marks), list(heritage.removals)
    file = 0
    for number in range(len(net.layer) + 1):
        while removals and removals[0][0] <= number:
            statement = removals.pop(0)[1]
            found = _remove(statement, named, missing)
            if statement.word == "bypass":
                bypasses.append((statement, found))
            else:
                heritage.removed |= {top: _advice(slot.message) for slot in found for top in slot.message.top}
        while marks and marks[0][0] <= number:
            file = marks.pop(0)[1]
        if number == len(net.layer):
            break
        message = net.layer[number]
        mine = Slot(len(slots), number, file, message.name, phases(message), message)
        namesakes = named.get(mine.name, ()) if mine.name else ()
        others = [slot for slot in namesakes if slot.file != file and slot.phases & mine.phases]
        together = _together([net.layer[other.layer] for other in others])
        if together > 1:
            several(number, together)
        for other in others:
            other.alive = False
        if others:
            mine.index = others[0].index
            slots[mine.index] = mine
        else:
            slots.append(mine)
        named.setdefault(mine.name, []).append(mine)
        named[mine.name] = [slot for slot in named[mine.name] if slot.alive]
    stay = {slot for _, bypassed in bypasses for slot in bypassed}
    return [slot for slot in slots if slot.alive or slot in stay], bypasses


def _advice(layer: Any) -> str:
    """What to do where a layer still reads what a removed one made."""
    text = f"layer {layer.name}, which made it, is removed"
    return f"{text}: bypass layer {layer.name} lets its readers read {layer.bottom[0]}" if is_bypassable(layer) else text


def _remove(statement: Remove, named: dict[str, list[Slot]], missing: Callable[[Remove, Iterable[str]], None]) -> list[Slot]:
    """Take out the layers that a statement names, and return them."""
    name = statement.name.name
    phase = BOTH if statement.phase is None else {schema.TRAIN if statement.phase.text == "train" else schema.TEST}
    found = [slot for slot in named.get(name, ()) if slot.phases <= phase or statement.phase is None]
    for slot in found:
        slot.alive = False
    named[name] = [slot for slot in named.get(name, ()) if slot.alive]
    if not found:
        missing(statement, (other for other, slots in named.items() if slots))
    return found


def _together(layers: Sequence[Any]) -> int:
    """How many of some layers certainly run in one phase; those selected by stages and levels do not count."""
    certain = [phases(one) for one in layers if all(_names_only_a_phase(rule) for rule in (*one.include, *one.exclude))]
    return max(sum(phase in one for one in certain) for phase in BOTH)


def _names_only_a_phase(rule: Any) -> bool:
    return [field.name for field, _ in rule.ListFields()] == ["phase"]


def phases(layer: Any) -> frozenset[int]:
    """The phases in which a layer may run, by its rules."""
    if layer.include:
        return frozenset(phase for rule in layer.include for phase in ((rule.phase,) if rule.HasField("phase") else BOTH))
    excluded = {rule.phase for rule in layer.exclude if _names_only_a_phase(rule)}
    return BOTH - excluded


def runnable(layers: Sequence[Any]) -> list[int]:
    """The numbers of the layers, each after the layers whose tops it reads, otherwise in their order.

    A layer that comes after the layer it reads keeps the version of the blob that it reads; one that comes before it reads the
    last version, after all layers in place. Cycles stay as they are: building the graph reports them.
    """
    after: list[set[int]] = [set() for _ in layers]  # layers that must run before each one
    makers: dict[str, list[int]] = {}
    workers: dict[str, list[int]] = {}  # in place
    for number, layer in enumerate(layers):
        for slot, top in enumerate(layer.top):
            in_place = slot < len(layer.bottom) and layer.bottom[slot] == top
            (workers if in_place else makers).setdefault(top, []).append(number)
    seen: dict[str, list[int]] = {}  # readers of the current version of each blob
    last: dict[str, list[int]] = {}  # layers that made that version
    for number, layer in enumerate(layers):
        tops = {top for slot, top in enumerate(layer.top) if slot < len(layer.bottom) and layer.bottom[slot] == top}
        for bottom in dict.fromkeys(layer.bottom):
            if bottom in last:
                after[number].update(last[bottom])
                if bottom in tops:
                    after[number].update(seen.pop(bottom, ()))
                    last[bottom] = [number]
                else:
                    seen.setdefault(bottom, []).append(number)
            else:
                after[number].update(makers.get(bottom, ()))
                after[number].update(one for one in workers.get(bottom, ()) if bottom not in tops or one < number)
        for top in layer.top:
            if top not in tops:
                last[top] = [*last[top], number] if top in last and last[top][-1] in makers.get(top, ()) else [number]
        after[number].discard(number)
    return _sorted(after)


def _sorted(after: list[set[int]]) -> list[int]:
    """A topological order, the smallest number first among equals; layers in cycles at the end."""
    waits = [len(before) for before in after]
    followers: list[list[int]] = [[] for _ in after]
    for number, before in enumerate(after):
        for other in before:
            followers[other].append(number)
    ready = [number for number, count in enumerate(waits) if not count]
    heapify(ready)
    order: list[int] = []
    while ready:
        number = heappop(ready)
        order.append(number)
        for follower in followers[number]:
            waits[follower] -= 1
            if not waits[follower]:
                heappush(ready, follower)
    done = set(order)
    return order + [number for number in range(len(after)) if number not in done]
