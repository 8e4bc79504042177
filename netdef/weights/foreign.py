"""What a file is that was given as weights and holds none."""

from __future__ import annotations

from netdef.language.diagnostics import NetdefError
from netdef.language.foreign import UTF16, binary_form, how_to_get, is_binary, text_form
from netdef.language.kinds import NET, SOLVER, kind_of_text
from netdef.weights.wire import BYTES, VARINT, MalformedError, fields

START = 1 << 16  # bytes that show what a text is
LMDB_MAGIC = (16, b"\xde\xc0\xef\xbe")  # of data.mdb: (offset, bytes)
SOLVER_STATE = "a solver's state"
SINGLE_ARRAY = "a single array, such as a mean image"
EXPECTED = "weights are read from .caffemodel and .caffemodel.h5 files"
NO_WEIGHTS = {  # what to do, by what the file is
    "a net in text": "the net comes before --weights, its .caffemodel after it",
    SOLVER_STATE: "its weights are in the .caffemodel of the same name",
    "a gzip archive": "gunzip it first",
}


def not_weights(path: object, data: memoryview, damage: str) -> NetdefError:
    """The error for a file that cannot be read as weights: what it is, else what is wrong with it."""
    form = form_of(data)
    if not form:
        return NetdefError(f"{path} is not a .caffemodel, or is cut short: {damage} ({len(data):,} bytes in all)", hint=EXPECTED)
    return NetdefError(f"{path} holds no weights: it is {form}", hint=how_to_get(form) or NO_WEIGHTS.get(form, EXPECTED))


def form_of(data: memoryview) -> str:
    """A file's form in words; "" if it may be a damaged .caffemodel."""
    start = bytes(data[:START])
    offset, magic = LMDB_MAGIC
    if start[offset : offset + len(magic)] == magic:
        return "an LMDB database"
    return binary_form(start) or (text_form_of(start) if not is_binary(start) else message_form(data))


def text_form_of(start: bytes) -> str:
    """What a text is that starts so."""
    if start[:2] in UTF16:
        return "a text in UTF-16"
    text = start.decode("utf-8", "replace")
    return text_form(text) or {NET: "a net in text", SOLVER: "a solver in text"}.get(kind_of_text(text) or "", "a text")


def message_form(data: memoryview) -> str:
    """Which of Caffe's other messages a binary file holds, by the wire types of its first fields; "" for none of them."""
    seen: dict[int, int] = {}
    try:
        for number, kind, _ in fields(data):
            seen.setdefault(number, kind)
    except MalformedError:
        return ""
    if seen.get(1) == VARINT and seen.get(2) == BYTES:  # iter, learned_net
        return SOLVER_STATE
    if seen.keys() <= set(range(1, 10)) and seen.get(5) == BYTES and seen.get(1, VARINT) == VARINT:
        return SINGLE_ARRAY
    return ""
