"""Readers of texts: nets, solvers, and what an editor asks about them."""

from __future__ import annotations

import random
from contextlib import suppress
from functools import cache
from pathlib import Path

import fuzz_language
from fuzz_mutations import of_bytes

from netdef.language import NetdefError

LARGEST = 6_000  # bytes of a text to change: more inputs a second find more than long ones


@cache
def texts_to_change() -> list[tuple[str, bytes]]:
    """Small files that make small nets."""
    every = fuzz_language.real_files()
    written_out = {Path(name).stem: len(data) for name, data in every if name.endswith(".prototxt")}
    return [(name, data) for name, data in every if max(len(data), written_out.get(Path(name).stem, 0)) < LARGEST]


def any_text(draw: random.Random, data: bytes) -> bytes:
    return fuzz_language.changed(draw, data, binary=False) if draw.random() < 0.7 else of_bytes(draw, data)


def asked(path: Path, draw: random.Random) -> None:
    """An editor opens a text and asks everything about one of its cursors."""
    from netdef.lsp import symbols
    from netdef.lsp.completion import complete
    from netdef.lsp.cursor import cursor_at
    from netdef.lsp.document import Document, utf16
    from netdef.lsp.hover import hover
    from netdef.lsp.outline import surrounding

    document = Document(path.read_text(encoding="utf-8", errors="replace"), uri=path.as_uri())
    offset = draw.randrange(len(document.text) + 1)
    for whole in (True, False):
        if (cursor := cursor_at(document, offset, whole)) is not None:
            complete(cursor, document, offset, lambda other: None, {}, utf16)
            hover(cursor, surrounding(document, offset), {}, {})
            symbols.definition(cursor, document, offset, lambda other: None)
            symbols.references(cursor, document, offset, lambda other: None, True)
    list(symbols.outline(document, utf16))
    with suppress(NetdefError):
        symbols.formatting(document, utf16)


def nets_at_random(draw: random.Random, _: bytes) -> bytes:
    """Nets made at random; see tools/fuzz_language.py."""
    return fuzz_language.layers_at_random(draw)[1]


def solvers_at_random(draw: random.Random, _: bytes) -> bytes:
    """Solvers made at random; see tools/fuzz_language.py."""
    return fuzz_language.solvers_at_random(draw)[1]


def binaries_at_random(draw: random.Random, _: bytes) -> bytes:
    """Nets as protobuf's bytes, some of them damaged; see tools/fuzz_language.py."""
    return fuzz_language.messages_at_random(draw)[1]


def net(path: Path, draw: random.Random) -> None:
    """By one of the commands, which all read nets and solvers through one function."""
    from netdef import load
    from netdef.check.run import check

    if draw.random() < 0.5:
        check(str(path))
    else:
        load(path, phase=draw.choice(["train", "test"]))
