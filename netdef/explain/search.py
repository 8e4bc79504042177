"""`netdef explain WORD`: the fields, words and types of any case that a word may mean, with those that have them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from textwrap import fill

from netdef.check.codes import CODES
from netdef.explain.reference import COMMON, Field, common_fields, fields, layer_type
from netdef.language.spelling import nearest
from netdef.language.units import shortened
from netdef.layers import LAYERS
from netdef.schema import LAYER_TYPES
from netdef.schema.filler_types import FILLERS
from netdef.solver_file.fields import LARC_POLICIES, POLICIES, REGULARIZATIONS, TYPES

OWNERS = 4  # layer types that a line names
# Words in quotes that a field takes: the topic of the field, and the words.
QUOTED: dict[str, Iterable[str]] = {
    "solver.type": TYPES,
    "solver.lr_policy": POLICIES,
    "solver.regularization_type": REGULARIZATIONS,
    "solver.larc_policy": LARC_POLICIES,
    "filler.type": FILLERS,
}
STATEMENTS = {  # of a net's text, in the language
    "layer": "layer NAME: TYPE(bottoms) -> tops { settings }",
    "train layer": "a layer that takes part in training only",
    "test layer": "a layer that takes part in testing only",
    "defaults": "settings of the layers below of one type: defaults TYPE { settings }",
    "include": 'the layers of another file: include "alexnet.net"',
    "remove layer": "leaves out a layer of an included file",
    "bypass layer": "leaves out a layer, whose readers then read what it read",
}
OTHERS = {"solver": "SolverParameter", "net": "NetParameter", "param": "ParamSpec", "filler": "FillerParameter"}


@dataclass(frozen=True)
class Found:
    """What a word may mean.

    Attributes
    ----------
    word: as it is written. topic: that explains it. owners: what else has it, as "also of ...".
    """

    word: str
    topic: str
    about: str
    owners: str = ""


def meanings(word: str) -> list[Found]:
    """All that a word may mean, whatever its case."""
    plain = _plain(word)
    found = [one for one in known() if _plain(one.word) == plain]
    return list(dict.fromkeys(found))


def vocabulary() -> list[str]:
    """Every word that can be explained."""
    return list(dict.fromkeys([*LAYERS, *CODES, *OTHERS, *(one.word for one in known())]))


def listing(word: str, found: Iterable[Found], width: int) -> str:
    """The meanings of a word, each with the topic that says more."""
    lines = [f"{word} may be:"]
    for one in found:
        head = f"{one.topic}{f' ({one.owners})' if one.owners else ''}: "
        lines.append(fill(head + one.about, width, initial_indent="  ", subsequent_indent="      "))
    return "\n".join([*lines, "", "netdef explain TOPIC says more, with a topic of this list."])


def nearest_word(word: str) -> str | None:
    """The word that is meant where one is misspelt."""
    return nearest(word, vocabulary())


def known() -> Iterator[Found]:
    """Statements, types, fields and the words that fields take."""
    for statement, about in STATEMENTS.items():
        if statement != "layer":  # which names a message too
            yield Found(statement.split()[0], statement, f"a statement of the language: {about}.")
    for name in LAYERS:
        yield Found(name, name, f"layer type. {layer_type(name).line}.")
    for message, types in _owners().items():
        more = f"also of {shortened(types[1:], OWNERS)}" if len(types) > 1 else ""
        yield from _of_fields(types[0], fields(message), more)
    yield from _of_fields("layer", common_fields(), "")
    for name, message in OTHERS.items():
        yield from _of_fields(name, fields(message), "")
    for topic, words in QUOTED.items():
        for one in words:
            yield Found(one, topic, f'it takes "{one}", among {shortened([*words])}.')


def _of_fields(owner: str, known: Iterable[Field], more: str) -> Iterator[Found]:
    for field in known:
        yield Found(field.name, f"{owner}.{field.name}", _first(field.about), more)
        for value, about in field.values:
            yield Found(value, f"{owner}.{field.name}.{value}", _first(about) or f"a word of {owner}.{field.name}.", more)


def _owners() -> dict[str, list[str]]:
    """The layer types that have the settings of each message, that of its own first."""
    held = {field.name: field.fields_of for field in fields(COMMON)}
    found: dict[str, list[str]] = {}
    for name, holders in LAYER_TYPES.items():
        for holder in holders if name in LAYERS else ():
            found.setdefault(held[holder], []).append(name)
    for message, types in found.items():
        types.sort(key=lambda name: f"{name}Parameter" != message)
    return found


def _first(text: str) -> str:
    """The first sentence."""
    sentence, stop, _ = " ".join(text.split()).partition(". ")
    return sentence.rstrip(".") + "." if sentence or stop else ""


def _plain(word: str) -> str:
    return word.replace("_", "").replace("-", "").lower()
