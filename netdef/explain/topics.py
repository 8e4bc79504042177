"""`netdef explain`: explain a layer type, a field, an enum value or a code of `netdef check`."""

from __future__ import annotations

import re
from textwrap import fill, wrap

from netdef.check.codes import CODES
from netdef.explain.reference import (
    COMMON,
    NARROWEST,
    WIDTH,
    Devices,
    Field,
    LayerType,
    common_fields,
    fields,
    held_fields,
    layer_type,
    own_fields,
    running,
)
from netdef.explain.search import STATEMENTS, listing, meanings, nearest_word
from netdef.language.diagnostics import NetdefError
from netdef.language.spelling import did_you_mean
from netdef.language.units import range_text, shortened
from netdef.layers import LAYERS
from netdef.schema import LAYER_TYPES, documentation

_DEFAULT_MOST = 16  # characters of a default in its column; a longer one is part of the description
_IN_HEAD = ("name", "type", "bottom", "top")  # fields before the braces of a layer in one line
_UNWRITTEN = ("phase", "blobs", "kept")  # fields that files do not set
_NICKNAMES = {
    "layer": COMMON, "solver": "SolverParameter", "net": "NetParameter", "param": "ParamSpec", "filler": "FillerParameter",
}  # fmt: skip


def explain(topic: str, devices: Devices | None = None, width: int = WIDTH) -> str:
    """Explain a topic: LRN, LRN.alpha, Pooling.pool.AVE, ND201, solver.base_lr, FillerParameter, lrn_param.alpha.

    A word alone, of any case, such as kernel_size, max or sgd, is looked for everywhere; of several meanings all are listed.

    Parameters
    ----------
    devices: the devices that run each layer type; they are shown if given.
    width: columns.

    Raises
    ------
    NetdefError: there is no such type, field or code; the nearest name is in the hint.
    """
    if topic.upper() in CODES:
        title, why = CODES[topic.upper()]
        return f"{topic.upper()}: {title}\n\n{fill(why, width)}"
    if topic in STATEMENTS and (" " in topic or len(meanings(topic)) == 1):  # others stand in a list with what they may be too
        return f"{topic}: a statement of the language\n\n{fill(STATEMENTS[topic], width)}"
    head, *path = topic.split(".")
    if not path and head in LAYERS:
        return _type(layer_type(head), devices, width)
    if not path and head not in _NICKNAMES and (head in STATEMENTS or not _is_message(head)) and (some := meanings(head)):
        topics = list(dict.fromkeys(one.topic for one in some))
        return explain(topics[0], devices, width) if len(topics) == 1 else listing(head, some, width)
    here, known = _start(head)
    if not path:
        message = _message_called(head)
        return _message(message, common_fields() if message == COMMON else known, width)
    for index, name in enumerate(path):
        found = next((field for field in known if field.name == name), None)
        if found is None:
            hint = did_you_mean(name, [field.name for field in known]) or "fields: " + shortened([field.name for field in known])
            raise NetdefError(f"{here} has no field {name}", hint=hint)
        here, rest = f"{here}.{name}", path[index + 1 :]
        if not rest:
            return _field(here, found, _formulas(head, found), width)
        if found.values:
            return _value(here, found, rest)
        if not found.fields_of:
            raise NetdefError(f"{here} is not a message: it has no field {rest[0]}")
        known = held_fields(found)
    raise AssertionError


def _value(here: str, found: Field, path: list[str]) -> str:
    """Explain a value of an enum field."""
    about = dict(found.values).get(".".join(path))
    if about is None:
        hint = did_you_mean(path[0], dict(found.values)) or "words: " + shortened([*dict(found.values)])
        raise NetdefError(f"{here} takes no {'.'.join(path)}", hint=hint)
    return f"{here}: {path[0]}{' (the default)' if path[0] == found.default else ''}\n\n{about}"


def _formulas(head: str, found: Field) -> list[str]:
    """The paragraphs about a layer type that name one of its fields."""
    if head not in LAYERS or found not in own_fields(head):
        return []
    paragraphs = layer_type(head).about.split("\n\n")
    return [text for text in paragraphs if re.search(rf"\b{found.name}\b", text)]


def _is_message(head: str) -> bool:
    """Whether it names a message, as LRNParameter or lrn_param."""
    try:
        fields(_message_called(head))
    except KeyError:
        return False
    return True


def _start(head: str) -> tuple[str, list[Field]]:
    """The first name of a topic, and the fields of what it names."""
    if head in LAYERS:
        held = [field for field in fields(COMMON) if field.name in LAYER_TYPES[head]]  # lrn_param, as prototxt has it
        return head, own_fields(head) + common_fields() + held
    try:
        return head, fields(_message_called(head))
    except KeyError:
        guess = nearest_word(head)
        lists = "`netdef layers` lists the layer types, `netdef explain solver` the solver's fields"
        if re.fullmatch(r"(?i)nd\d+", head):
            kin = [code for code in CODES if code[2] == head[2]] or CODES
            guess, lists = "", f"codes: {shortened([*kin])}"
        hint = f"did you mean {guess}?" if guess else lists
        raise NetdefError(f"there is no layer type, field, word or code called {head}", hint=hint) from None


def _message_called(name: str) -> str:
    """The message of a short name or of a layer's field, such as lrn_param; else the name itself."""
    held = {field.name: field.fields_of for field in fields(COMMON) if field.fields_of}
    return _NICKNAMES.get(name) or held.get(name, name)


def _type(found: LayerType, devices: Devices | None, width: int) -> str:
    settings = own_fields(found.name)
    bottoms = "(bottom)" if found.bottoms[1] != 0 else ""
    top = " -> top" if found.tops[1] != 0 else ""
    paragraphs = [found.name, *(_paragraph(text, width) for text in found.about.split("\n\n"))]
    paragraphs.append(f"  layer NAME: {found.name}{bottoms}{top}{' { field: value ... }' if settings else ''}")
    counts = f"bottoms: {range_text(*found.bottoms)}   tops: {range_text(*found.tops)}"
    if devices is not None:
        runs_on = running(found.name, devices)
        counts += f"   runs on: {', '.join(runs_on) or 'nothing yet; its shapes and costs are known'}"
    paragraphs.append(counts)
    if origin := LAYERS[found.name].origin:
        paragraphs.append(f"Of {origin}; Caffe 1.0 has no such type.")
    if settings:
        paragraphs.append(_table(settings, width))
    source = LAYERS[found.name].is_source
    more = [f.name for f in common_fields() if f.name not in (*_IN_HEAD, *_UNWRITTEN) and (source or f.name != "transform_param")]
    like = "others that read images" if source else "every layer"
    paragraphs.append(fill(f"Also {', '.join(more)}, as {like} (netdef explain layer).", width))
    return "\n\n".join(paragraphs)


def _paragraph(text: str, width: int) -> str:
    """A paragraph with its line breaks; lines too long for the terminal are wrapped."""
    lines = text.splitlines()
    if width == WIDTH or max(map(len, lines)) <= width:
        return text
    return "\n".join(fill(line, width, subsequent_indent="  ") for line in lines)


def _message(name: str, known: list[Field], width: int) -> str:
    return f"{name}\n\n{fill(documentation(name), width)}\n\n{_table(known, width)}"


def _field(path: str, found: Field, formulas: list[str], width: int) -> str:
    default = f", {found.default} by default" if found.default else ""
    paragraphs = [f"{path}: {found.kind}{default}", fill(found.about, width)]
    if found.values:
        longest = max(len(value) for value, _ in found.values)
        paragraphs.append("\n".join(f"  {value.ljust(longest)}  {about}" for value, about in found.values))
    paragraphs += [_paragraph(text, width) for text in formulas]
    if found.fields_of:
        paragraphs += [fill(f"{found.fields_of}: {documentation(found.fields_of)}", width), _table(held_fields(found), width)]
    return "\n\n".join(paragraphs)


def _table(rows: list[Field], width: int) -> str:
    """Fields below one another: name, what it takes, default, and what it means."""
    heads = ("field", "takes", "default")
    cells = [(row.name, row.kind, row.default if len(row.default) <= _DEFAULT_MOST else "") for row in rows]
    widths = [max(len(row[column]) for row in (heads, *cells)) for column in range(3)]
    left = sum(widths) + 2 * len(widths)
    room = max(NARROWEST, width - left)
    lines = ["  ".join(head.ljust(width) for head, width in zip(heads, widths, strict=True)).rstrip()]
    for cell, row in zip(cells, rows, strict=True):
        about = row.about
        if row.values:
            about += f" {' or '.join(value for value, _ in row.values)}."
        if row.default and not cell[2]:
            about += f" Default: {row.default}."
        first, *rest = wrap(about, room) or [""]
        lines.append("  ".join([*(text.ljust(width) for text, width in zip(cell, widths, strict=True)), first]).rstrip())
        lines += [" " * left + line for line in rest]
    return "\n".join(lines)
