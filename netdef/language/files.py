"""Read a net or a solver from a file or a text, in any of its formats."""

from __future__ import annotations

from os import PathLike, fspath
from typing import Any

from google.protobuf.message import DecodeError

from netdef import schema
from netdef.language.bind import bind
from netdef.language.bound import Bound
from netdef.language.contents import BINARY_ENDINGS, bytes_of, check_text, decoded
from netdef.language.diagnostics import Diagnostic, NetdefError
from netdef.language.foreign import binary_form, how_to_get, is_binary, text_form
from netdef.language.gc_pause import gc_paused
from netdef.language.parser import parse
from netdef.language.source import Position
from netdef.language.spelling import did_you_mean
from netdef.schema import upgrade
from netdef.schema.fork_numbers import read_other_numbers
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
    return _upgraded(bind(tree, message_name))


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
    if sensible and (path := _not_utf8(message)):
        raise NetdefError(f"{filename}: {path} is not UTF-8", hint="strings in a binary message must be")
    if message_name == "NetParameter":
        for layer in message.layer:
            read_other_numbers(layer)
    return Bound(message, filename) if sensible else None


def _not_utf8(message: Any) -> str:
    """The path of the first string in a message that is not UTF-8, which protobuf returns as bytes; "" if all are."""
    for info, value in message.ListFields():
        if info.type not in (info.TYPE_STRING, info.TYPE_MESSAGE):
            continue
        for index, one in enumerate(value if hasattr(value, "append") else [value]):
            number = f"[{index}]" if hasattr(value, "append") else ""
            if isinstance(one, bytes):
                return f"{info.name}{number}"
            if info.type == info.TYPE_MESSAGE and (inner := _not_utf8(one)):
                return f"{info.name}{number}.{inner}"
    return ""


def _upgraded(bound: Bound) -> Bound:
    """Convert a message from older formats; its notes list the conversions."""
    done = upgrade.upgrade(bound.message, bound.origins)
    if done.problems:
        raise NetdefError([_diagnostic(one, bound) for one in done.problems])
    bound.notes += done.notes
    return bound


def _diagnostic(problem: Problem, bound: Bound) -> Diagnostic:
    """A problem of a conversion at its position in the text, or where there is none, with the file's name."""
    hint = problem.hint or did_you_mean(*problem.misspelt)
    if bound.source is None:
        return Diagnostic(f"{bound.filename}: {problem.message}", None, hint, code="ND003")
    return Diagnostic(problem.message, bound.source.position(*problem.span), hint, code="ND003")
