"""The layers of a text and of the files it includes, in order; which of them makes a blob, and which read it.

A piece of text that has been looked at once is not parsed again: while somebody types, all others stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from netdef import schema
from netdef.language import NetdefError, parse
from netdef.language.inherit import BOTH, locate
from netdef.language.nodes import Block, Defaults, Field, Include, Layer, List, Remove, Scalar, Statement
from netdef.lsp.document import Document

_PHASES = {"TRAIN": frozenset({schema.TRAIN}), "TEST": frozenset({schema.TEST})}
_FILES = ("net", "train_net", "test_net")
_NETS = ("net_param", "train_net_param", "test_net_param")

Read = Callable[[Path], Document | None]  # the text of a file, in an editor or on disk


class Word(NamedTuple):
    """A name in a text, its quotes left out."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Head:
    """What a statement says before its settings; offsets count from the start of its piece.

    Attributes
    ----------
    kind: layer, defaults, include, remove, bypass, or net: a solver's file.
    """

    kind: str
    name: Word
    start: int
    end: int
    type: str = ""
    bottoms: tuple[Word, ...] = ()
    tops: tuple[Word, ...] = ()
    phases: frozenset[int] = BOTH


class Standing(NamedTuple):
    """A statement in its text; `at` is to be added to its offsets."""

    document: Document
    at: int
    head: Head

    def holds(self, document: Document, offset: int) -> bool:
        """Whether an offset is inside it."""
        return document is self.document and self.at + self.head.start <= offset <= self.at + self.head.end


def statements(document: Document) -> Iterator[Standing]:
    """What a text says, in order, without what the files that it includes say."""
    for at, text in document.pieces():
        for head in _heads(text):
            yield Standing(document, at, head)


def layers(document: Document, read: Read) -> list[Standing]:
    """The layers of a net with those of included files, in the order of the files.

    What is removed, bypassed or replaced is left out; what replaces a layer stands in its place. Readers of a bypassed layer's top
    have the name of its bottom at the word that they are written with.
    """
    slots: list[Standing | None] = []
    named: dict[str, list[int]] = {}
    for one in _with_included(document, read, set()):
        name, phases = one.head.name.text, one.head.phases
        if one.head.kind == "layer":
            replaced = [i for i in named.get(name, ()) if _replaces(one, slots[i])]
            at = replaced[0] if replaced else len(slots)
            if not replaced:
                slots.append(None)
            for index in replaced:
                slots[index] = None
            slots[at] = one
            named[name] = [i for i in named.get(name, ()) if slots[i] is not None and i != at] + [at]
        elif one.head.kind in ("remove", "bypass"):
            for index in named.get(name, ()):
                slot = slots[index]
                if slot is not None and slot.head.phases <= phases:
                    slots[index] = None
                    if one.head.kind == "bypass":
                        _bypass(slot.head, slots, index)
    return [slot for slot in slots if slot is not None]


def _bypass(head: Head, slots: list[Standing | None], index: int) -> None:
    """Let the layers after `index` that read the top of a bypassed layer read its bottom, up to another maker of that top."""
    if len(head.bottoms) != 1 or len(head.tops) != 1:
        return
    bottom, top = head.bottoms[0].text, head.tops[0].text
    for number in range(index + 1, len(slots)):
        slot = slots[number]
        if slot is None or not slot.head.phases & head.phases:
            continue
        words = tuple(word._replace(text=bottom) if word.text == top else word for word in slot.head.bottoms)
        slots[number] = slot._replace(head=replace(slot.head, bottoms=words))
        if any(word.text == top for word in slot.head.tops):
            return


def surrounding(document: Document, offset: int) -> Standing | None:
    """The statement that an offset is in."""
    at, text = document.piece(offset)
    found = (Standing(document, at, head) for head in _heads(text))
    return next((one for one in found if one.holds(document, offset)), None)


def linked(document: Document, offset: int) -> Path | None:
    """The file that is named at an offset."""
    one = surrounding(document, offset)
    return locate(one.head.name.text, document.folder) if one is not None and one.head.kind in ("include", "net") else None


def makers(name: str, order: list[Standing], reader: int, phases: frozenset[int]) -> list[Standing]:
    """The layers that make a blob as layer number `reader` reads it: the last above it, in each phase; else the first below."""
    found: list[int] = []
    left = phases
    for number in [*range(reader - 1, -1, -1), *range(reader + 1, len(order))]:
        head = order[number].head
        if left & head.phases and any(top.text == name for top in head.tops):
            found.append(number)
            left -= head.phases
        if not left:
            break
    return [order[number] for number in sorted(found)]


def _with_included(document: Document, read: Read, seen: set[Path]) -> Iterator[Standing]:
    if document.resolved is not None:
        seen.add(document.resolved)
    for one in statements(document):
        if one.head.kind != "include":
            yield one
            continue
        path = locate(one.head.name.text, document.folder)
        if path is not None and path.resolve() not in seen and (included := read(path)) is not None:
            yield from _with_included(included, read, seen)


def _replaces(one: Standing, other: Standing | None) -> bool:
    """Whether a layer replaces one of its name: it stands in another file, and shares a phase."""
    if other is None or not one.head.name.text:
        return False
    return other.document is not one.document and bool(other.head.phases & one.head.phases)


@lru_cache(maxsize=1 << 16)
def _heads(text: str) -> tuple[Head, ...]:
    """The statements of a piece of text, as far as it parses."""
    try:
        return tuple(_of_statements(parse(text).statements))
    except NetdefError:
        return ()


def _of_statements(found: list[Statement]) -> Iterator[Head]:
    for one in found:
        if isinstance(one, Layer):
            yield _of_line(one)
        elif isinstance(one, Include):
            yield Head("include", _word(one.file), one.start, one.file.end)
        elif isinstance(one, Remove):
            phases = _PHASES[one.phase.text.upper()] if one.phase is not None else BOTH
            yield Head(one.word, _word(one.name), one.start, one.name.end, phases=phases)
        elif isinstance(one, Defaults):
            yield Head("defaults", _word(one.type), one.start, one.body.end, one.type.name)
        elif one.name in ("layer", "layers"):
            for block in one.value.items if isinstance(one.value, List) else (one.value,):
                if isinstance(block, Block):
                    yield _of_block(block, one.start)
        elif one.name in _FILES and isinstance(one.value, Scalar):
            yield Head("net", _word(one.value), one.start, one.value.end)
        elif one.name in _NETS and isinstance(one.value, Block):
            yield from _of_statements(one.value.statements)
        elif one.name == "input":
            for word in _words(one):
                yield Head("layer", word, one.start, word.end, "Input", tops=(word,))


def _of_line(layer: Layer) -> Head:
    name = _word(layer.name)
    tops = tuple(map(_word, layer.tops)) if layer.tops is not None else () if layer.type.name in schema.NO_TOPS else (name,)
    ends = [layer.type, *(layer.bottoms or ()), *(layer.tops or ()), *([layer.body] if layer.body else [])]
    phases = _PHASES[layer.phase.text.upper()] if layer.phase is not None else _phases(layer.body.statements if layer.body else [])
    return Head("layer", name, layer.start, ends[-1].end, layer.type.name, tuple(map(_word, layer.bottoms or ())), tops, phases)


def _of_block(block: Block, start: int) -> Head:
    words: dict[str, list[Word]] = {"name": [], "type": [], "bottom": [], "top": []}
    for one in block.statements:
        if isinstance(one, Field) and one.name in words:
            words[one.name] += _words(one)
    name = next(iter(words["name"] + words["top"]), Word("", start, start))
    kind = words["type"][0].text if words["type"] else ""
    return Head("layer", name, start, block.end, kind, tuple(words["bottom"]), tuple(words["top"]), _phases(block.statements))


def _phases(found: list[Statement]) -> frozenset[int]:
    """The phases in which a layer takes part, by the rules that name one."""
    asked: set[int] = set()
    left_out: set[int] = set()
    for one in found:
        if isinstance(one, Field) and one.name in ("include", "exclude") and isinstance(one.value, Block):
            rules = [field for field in one.value.statements if isinstance(field, Field)]
            for rule in rules:
                if rule.name == "phase" and isinstance(rule.value, Scalar) and (one.name == "include" or len(rules) == 1):
                    (asked if one.name == "include" else left_out).update(_PHASES.get(rule.value.name, ()))
    return (frozenset(asked) or BOTH) - left_out


def _words(field: Field) -> list[Word]:
    values = field.value.items if isinstance(field.value, List) else [field.value]
    return [_word(value) for value in values if isinstance(value, Scalar)]


def _word(value: Scalar) -> Word:
    inside = 1 if value.type == "STRING" else 0
    return Word(value.name, value.start + inside, value.end - inside)
