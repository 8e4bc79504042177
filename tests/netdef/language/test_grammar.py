"""grammar.json holds the tables that lark makes of grammar.lark."""

import sys

import pytest

from netdef.language.find import models_folder
from netdef.language.lalr import TABLES
from netdef.language.parser import Builder, parse, tokens_of
from tests.paths import ROOT


@pytest.mark.slow
def test_the_tables_are_those_of_the_grammar():
    pytest.importorskip("lark")
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        import make_grammar
    finally:
        sys.path.pop(0)
    assert TABLES.read_text(encoding="utf-8") == make_grammar.contents(), "run python tools/make_grammar.py"


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(models_folder().glob("*.*t")), ids=lambda path: path.name)
def test_models_parse_as_lark_parses_them(path):
    lark = pytest.importorskip("lark")

    class Tokens(lark.lexer.Lexer):
        def __init__(self, configuration): ...

        def lex(self, lexer_state, parser_state):
            return iter(())

    grammar = (TABLES.parent / "grammar.lark").read_text(encoding="utf-8")
    options = {"keep_all_tokens": True, "maybe_placeholders": False, "transformer": Builder()}
    state = lark.Lark(grammar, parser="lalr", lexer=Tokens, **options).parse_interactive("").parser_state
    text = path.read_text(encoding="utf-8")
    *tokens, end = tokens_of(text)
    for token in tokens:
        state.feed_token(token, False)
    assert repr(parse(text).statements) == repr(state.feed_token(end, True))
