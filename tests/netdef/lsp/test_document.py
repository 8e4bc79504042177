"""Positions as the protocol counts them."""

from pathlib import Path

import pytest
from lsprotocol.types import Position

from netdef.language.source import Source
from netdef.lsp.document import Document, is_meant, range_of, utf16


def utf8(text):
    return len(text.encode())


TEXT = "a: 1\r\n# é 🐍 b: 2\rname: '🐍🐍' x\n\x0c\u2028y: 3"


@pytest.mark.parametrize(
    ("units", "line", "column", "rest"),
    [
        (len, 0, 3, "1\n#"),
        (len, 1, 6, "b: 2"),
        (utf16, 1, 7, "b: 2"),
        (utf8, 1, 10, "b: 2"),
        (utf16, 2, 13, "x\n"),
        (utf16, 3, 2, "y: 3"),  # neither a form feed nor a line separator ends a line
        (utf8, 3, 4, "y: 3"),
        (utf16, 0, 99, "\n#"),  # beyond the end of the line
        (utf16, 99, 0, ""),
    ],
)
def test_offsets_and_positions_are_inverse(units, line, column, rest):
    document = Document(TEXT)
    offset = document.offset(Position(line, column), units)
    assert document.text[offset:].startswith(rest)
    if column < 99 and line < 99:
        assert document.range(offset, offset + 1, units).start == Position(line, column)


def test_positions_inside_a_character():
    document = Document("🐍🐍x")
    assert [document.offset(Position(0, column), utf16) for column in range(6)] == [0, 1, 1, 2, 2, 3]


def test_the_range_of_a_diagnostic():
    source = Source("x.net", "# 🐍\n# 🐍 name: 3\n")
    at = source.position(source.text.index("name"), source.text.index("name") + 4)
    found = range_of(at, utf16)
    assert (found.start, found.end) == (Position(1, 5), Position(1, 9))


def test_a_byte_order_mark_moves_nothing():
    document = Document("\ufefflayer a: ReLU(b)")
    assert document.text[document.offset(Position(0, 1), utf16) :] == "layer a: ReLU(b)"


@pytest.mark.parametrize(
    ("uri", "language", "text", "meant"),
    [
        ("file:///x.net", "plaintext", "", True),
        ("file:///x.prototxt", "text", "", True),
        ("file:///x", "netdef", "", True),
        ("untitled:Untitled-1", "plaintext", "layer by layer\n", False),
        ("file:///notes.txt", "plaintext", "the net: a layer\n", False),
        ("file:///solver.txt", "plaintext", "# mine\nbase_lr: 0.01\n", True),
    ],
)
def test_plain_text_is_not_parsed(uri, language, text, meant):
    assert is_meant(uri, language, text) is meant


@pytest.mark.parametrize(
    ("name", "text", "is_solver"),
    [
        ("a.net", "", False),
        ("a.prototxt", "layer { }", False),
        ("a.prototxt", "base_lr: 1", True),
        ("solver.prototxt", "", True),
        ("solver.prototxt", "name: 'x' layer { }", False),
    ],
)
def test_nets_and_solvers(name, text, is_solver):
    assert Document(text, Path("/nowhere") / name).is_solver is is_solver


def test_pieces_begin_with_statements_at_the_start_of_a_line():
    text = (
        'name: "x"\ndefaults LRN { k: 2 }\n  layer a: ReLU(b) {\n'
        'test layer b: ReLU(c)\nlayers {\nlayer_x: 1\ninclude { phase: TEST }\n}\ninclude "x.net"\nremove layer x\nbypass layer y\n'
    )
    found = [piece for _, piece in Document(text).pieces()]
    assert "".join(found) == text
    assert [piece.split()[0] for piece in found] == ["name:", "defaults", "test", "layers", "include", "remove", "bypass"]


def test_the_piece_at_an_offset():
    document = Document("layer a: ReLU(b)\nlayer c: ReLU(a)\n")
    assert [document.piece(offset)[0] for offset in (0, 16, 17, 34)] == [0, 0, 17, 17]
