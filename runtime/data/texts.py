"""Text files that come with data: lists of images, names of classes."""

from __future__ import annotations

import warnings
from pathlib import Path

from netdef.language.diagnostics import NetdefError, Remark, Source
from netdef.language.foreign import UTF16, binary_form, how_to_get, is_binary, text_form

START = 1 << 16  # bytes that show whether a file is text


class TextRemark(Remark):
    """A text file was read, but some of its bytes are not what they should be."""


def read_text_file(path: str | Path, what: str, expected: str) -> Source:
    """A text file, its line ends made newlines and its byte order mark dropped.

    Bytes that are not UTF-8 become surrogates, as Python has them in file names, so that a path with them still finds its file;
    a warning names the first line with any.  `printable` makes replacement characters of them.

    Parameters
    ----------
    what: of what the file should be: "a list of images". expected: what its lines should be, as a hint.

    Raises
    ------
    NetdefError: the file is missing, or is something else (which is named).
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise NetdefError(f"cannot read {what} {path}: {error.strerror}") from None
    form = form_of(data[:START])
    if form:
        raise NetdefError(f"{path} is not {what}: it is {form}", hint=how_to_get(form) or expected)
    try:
        return Source(str(path), data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        source = Source(str(path), data.decode("utf-8-sig", "surrogateescape"))
    wrong = [number for number, line in enumerate(source.text.split("\n"), 1) if printable(line) != line]
    more = f" nor {len(wrong) - 1} lines after it" if len(wrong) > 1 else ""
    warnings.warn(f"{path}: line {wrong[0]} is not UTF-8{more}; other bytes are shown as \N{REPLACEMENT CHARACTER}", TextRemark, 2)
    return source


def form_of(start: bytes) -> str:
    """What a file is that starts so; "" for a text."""
    if start[:2] in UTF16:
        return "a text in UTF-16"
    if is_binary(start):
        return binary_form(start) or "binary"
    return text_form(start.decode("utf-8", "replace"))


def printable(text: str) -> str:
    """A text with replacement characters for bytes that are not UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
