"""No text, whole or broken, and no cursor in it makes an answer fail."""

import contextlib
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netdef.language import NetdefError
from netdef.language.find import models_folder
from netdef.lsp import symbols
from netdef.lsp.completion import complete
from netdef.lsp.cursor import cursor_at
from netdef.lsp.document import Document, utf16
from netdef.lsp.hover import hover
from netdef.lsp.outline import surrounding

WORDS = ["name", "type", "bottom", "top", "x", "Pooling", "Convolution", "pool", "MAX", "param", "weight_filler", "base_lr", "1e5"]
HEADS = ["layer ", "train ", "test ", "defaults ", "include ", "remove ", "bypass ", "layers ", "net "]
MARKS = [*"-:{}<>()[],;\"'\\=", " -> ", '"a"', "# é\n", "\n", "\x00", "🐍", "\ud800"]
PIECES = st.sampled_from(WORDS + HEADS + MARKS)


def ask_all(document, offset):
    """Every question about a cursor."""
    for whole in (True, False):
        cursor = cursor_at(document, offset, whole)
        if cursor is None:
            continue
        assert document.text[cursor.start : cursor.end] == cursor.word
        complete(cursor, document, offset, lambda path: None, {}, utf16)
        hover(cursor, surrounding(document, offset), {}, {})
        symbols.definition(cursor, document, offset, lambda path: None)
        symbols.references(cursor, document, offset, lambda path: None, True)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(PIECES, max_size=30).map("".join), st.sampled_from(["x.net", "solver.prototxt"]))
def test_any_pieces(text, name):
    document = Document(text, uri=f"file:///{name}")
    for offset in range(0, len(text) + 1, max(1, len(text) // 6)):
        ask_all(document, offset)
    list(symbols.outline(document, utf16))
    with contextlib.suppress(NetdefError):
        symbols.formatting(document, utf16)


@pytest.mark.parametrize("name", ["alexnet_six_conv.net", "solver.txt"])
def test_every_cursor_while_a_file_is_typed(name):
    """The text up to the cursor, as it is while somebody writes it, and with what follows."""
    text = (models_folder() / name).read_text()[-1200:]
    for offset, whole in itertools.product(range(0, len(text), 17), (True, False)):
        ask_all(Document(text if whole else text[:offset], uri=f"file:///{name}"), offset)
