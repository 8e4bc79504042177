"""`bypass layer NAME`: the layers that read what it made read what it read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from netdef.language.nodes import Remove


@dataclass(eq=False)
class Slot:
    """A layer at its index in the order.

    Attributes
    ----------
    layer: its number in the message. phases: those in which it may run.
    """

    index: int
    layer: int
    file: int
    name: str
    phases: frozenset[int]
    message: Any
    alive: bool = True


class BypassError(Exception):
    """A statement that cannot be followed.

    Attributes
    ----------
    message, hint: for the user.
    """

    def __init__(self, message: str, hint: str):
        super().__init__(message)
        self.message, self.hint = message, hint


def bypass(statement: Remove, bypassed: Sequence[Slot], order: Sequence[Slot]) -> None:
    """Let the readers of the bypassed layers, all of one name, read what these read.

    Parameters
    ----------
    order: all layers that stay and those that are bypassed, in order.

    Raises
    ------
    BypassError: a layer reads or makes more than one blob, or its bottom is no longer what it was where a reader stands.
    """
    called = statement.name.name
    wanted: dict[Slot, dict[int, str]] = {}  # the blob that each reader is to read, in each phase
    for slot in bypassed:
        bottom, top = _ends(slot, called)
        if bottom == top:
            continue
        for phase in slot.phases:
            for reader in _readers(slot, top, [other for other in order if phase in other.phases]):
                _check_same(slot, reader, bottom, order, phase)
                wanted.setdefault(reader, {})[phase] = bottom
    for reader, blobs in wanted.items():
        if len(set(blobs.values())) > 1 or (reader.phases - blobs.keys() and not _is_only_read_in(reader, blobs, order)):
            text = f"layer {reader.name} reads {called} in both phases, and would read another blob in each"
            raise BypassError(text, f"write {reader.name} as a train layer and a test layer")
    tops = {slot.message.top[0] for slot in bypassed}
    for reader, blobs in wanted.items():
        reader.message.bottom[:] = [next(iter(blobs.values())) if name in tops else name for name in reader.message.bottom]


def is_bypassable(layer: Any) -> bool:
    """Whether a layer reads one blob and makes another."""
    return len(layer.bottom) == 1 and len(layer.top) == 1 and layer.bottom[0] != layer.top[0]


def _ends(slot: Slot, called: str) -> tuple[str, str]:
    """The bottom and the top of a layer that has one of each."""
    bottoms, tops = slot.message.bottom, slot.message.top
    if len(bottoms) != 1 or len(tops) != 1:
        counts = f"reads {len(bottoms)} and makes {len(tops)}"
        hint = f"remove layer {called} leaves it out; then write the layers that read {' and '.join(tops) or 'it'} anew"
        raise BypassError(f"only a layer that reads one blob and makes one can be bypassed: {called} {counts}", hint)
    return bottoms[0], tops[0]


def _readers(slot: Slot, top: str, order: Sequence[Slot]) -> Iterator[Slot]:
    """The layers that read a blob as a layer made it: up to the next that makes it, in place or anew."""
    at = order.index(slot)
    makers = [other for other in order if top in other.message.top]
    for other in order[at + 1 :]:
        if top in other.message.bottom:
            yield other
        if top in other.message.top:
            break
    if makers == [slot]:
        yield from (other for other in order[:at] if top in other.message.bottom)


def _check_same(slot: Slot, reader: Slot, bottom: str, order: Sequence[Slot], phase: int) -> None:
    """Raises BypassError: a layer between the two changes the blob."""
    between = order[order.index(slot) + 1 : order.index(reader)]
    changer = next((other for other in between if phase in other.phases and bottom in other.message.top), None)
    if changer is not None:
        text = f"layer {reader.name} would read blob {bottom} behind layer {changer.name}, which changes it"
        raise BypassError(text, f"write layer {changer.name} with a top of another name")


def _is_only_read_in(reader: Slot, phases: dict[int, str], order: Sequence[Slot]) -> bool:
    """Whether a reader has no such blob in its other phases, where it is an error with or without the bypass."""
    left = reader.phases - phases.keys()
    makers = [other for other in order if other.phases & left and set(other.message.top) & set(reader.message.bottom)]
    return not makers
