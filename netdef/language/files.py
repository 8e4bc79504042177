"""Read a net or a solver from a file or a text, in any of its formats."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from os import PathLike, fspath
from typing import Any

from google.protobuf.message import DecodeError

from netdef import schema
from netdef.language.bind import bind
from netdef.language.bound import Bound
from netdef.language.contents import BINARY_ENDINGS, bytes_of, check_text, decoded
from netdef.language.diagnostics import Diagnostic, NetdefError, Remark
from netdef.language.foreign import binary_form, how_to_get, is_binary, text_form
from netdef.language.gc_pause import gc_paused
from netdef.language.kinds import not_of_kind
from netdef.language.parser import parse
from netdef.language.source import Position
from netdef.language.spelling import did_you_mean
from netdef.language.units import plural
from netdef.schema import upgrade
from netdef.schema.fork_numbers import read_other_numbers
from netdef.schema.rounding import read_rounding
from netdef.schema.upgrade_log import Problem

_CALLED = {"NetParameter": "network", "SolverParameter": "solver"}


def read_file(path: str | PathLike[str], message_name: str) -> Bound:
    """The message in a file of text or of binary protobuf. Raises NetdefError with all errors of the file."""
    return read_text(bytes_of(path), fspath(path), message_name)


@gc_paused
def read_text(text: str | bytes, filename: str, message_name: str) -> Bound:
    """The message that a text describes. Bytes may be UTF-8 or binary protobuf. Raises NetdefError as read_file does."""
    if isinstance(text, bytes):
        if bound := _read_binary(text, filename, message_name):
            return _upgraded(bound)
        text = decoded(text, filename)
    check_text(text, filename)
    text = text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")
    if not text.strip():
        raise NetdefError(f"{filename} is empty", hint=f"expected a {_CALLED.get(message_name, message_name)}")
    if form := text_form(text):
        wanted = _CALLED.get(message_name, message_name)
        raise NetdefError(f"{filename} is {form}, not a {wanted}", hint=how_to_get(form))
    tree = parse(text, filename)
    if not tree.statements and not tree.diagnostics:
        raise NetdefError(f"{filename} holds nothing but comments", Position(filename, 1, 1, 1, tree.source))
    try:
        bound = bind(tree, message_name)
    except NetdefError as error:
        several = len(error.diagnostics) > 1  # a single one says what is wrong at its position
        raise (not_of_kind(filename, text, message_name) if several else None) or error from None
    return _upgraded(bound)


def read_message(message: Any, filename: str = "<message>") -> Bound:
    """A copy of a message that a program made, converted from older formats. Raises NetdefError with all problems of that."""
    own = type(message)()
    own.CopyFrom(message)
    return _upgraded(Bound(own, filename))


def _read_binary(data: bytes, filename: str, message_name: str) -> Bound | None:
    """A message in protobuf's binary format; None if the data are text."""
    unprintable = is_binary(data[:65536])
    if not unprintable and not filename.endswith(BINARY_ENDINGS):
        return None
    message: Any = schema.message_class(message_name)()
    try:
        message.ParseFromString(data)
        sensible = bool(message.ListFields())
    except DecodeError:
        sensible = False
    if not sensible and unprintable:
        kind = binary_form(data) or "binary"
        wanted = _CALLED.get(message_name, message_name)
        raise NetdefError(f"{filename} is {kind}, not a {wanted}", hint=f"expected text, or a binary {message_name}")
    if not sensible:
        return None
    if replaced := [*_made_utf8(message)]:
        more = f" nor {len(replaced) - 1} more strings" if len(replaced) > 1 else ""
        text = f"{filename}: {replaced[0]} is not UTF-8{more}; other bytes are read as \N{REPLACEMENT CHARACTER}"
        warnings.warn(text, Remark, stacklevel=4)
    if message_name == "NetParameter":
        for layer in message.layer:
            read_other_numbers(layer)
        if text := read_rounding(message):
            warnings.warn(f"{filename}: {text}", Remark, stacklevel=4)
    return Bound(message, filename)


def _made_utf8(message: Any) -> Iterator[str]:
    """Put replacement characters for bytes that are not UTF-8 into all strings of a message; the paths of those strings.

    protobuf returns such strings as bytes.
    """
    for info, value in message.ListFields():
        if info.type not in (info.TYPE_STRING, info.TYPE_MESSAGE):
            continue
        repeated = hasattr(value, "append")
        for index, one in enumerate(value if repeated else [value]):
            path = f"{info.name}[{index}]" if repeated else info.name
            if isinstance(one, bytes):
                text = one.decode("utf-8", "replace")
                if repeated:
                    value[index] = text
                else:
                    setattr(message, info.name, text)
                yield path
            elif info.type == info.TYPE_MESSAGE:
                yield from (f"{path}.{inner}" for inner in _made_utf8(one))


def _upgraded(bound: Bound) -> Bound:
    """Convert a message from older formats; its notes list the conversions."""
    done = upgrade.upgrade(bound.message, bound.origins)
    if done.problems:
        raise NetdefError([_diagnostic(one, bound) for one in done.problems])
    bound.notes += done.notes
    if done.lost:
        more = f", and {plural(len(done.lost) - 1, 'more field')}" if len(done.lost) > 1 else ""
        warnings.warn(f"{bound.filename}: {done.lost[0]}{more}", Remark, stacklevel=3)
    return bound


def _diagnostic(problem: Problem, bound: Bound) -> Diagnostic:
    """A problem of a conversion at its position in the text, or where there is none, with the file's name."""
    hint = problem.hint or did_you_mean(*problem.misspelt)
    if bound.source is None:
        return Diagnostic(f"{bound.filename}: {problem.message}", None, hint, code="ND003")
    return Diagnostic(problem.message, bound.source.position(*problem.span), hint, code="ND003")
