"""Text to statements: the LALR parser of grammar.lark, driven so that it goes on after an error."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from netdef.language import brackets, syntax
from netdef.language.diagnostics import Diagnostic, NetdefError
from netdef.language.lalr import Grammar, Parser, UnexpectedTokenError
from netdef.language.lexer import END, OPEN_STRING, tokenizer
from netdef.language.merges import without_markers
from netdef.language.nodes import Block, Defaults, Field, Include, Layer, List, Remove, Scalar, Statement, Token
from netdef.language.source import Source

if TYPE_CHECKING:
    from netdef.language.lexer import Tokenizer

MOST_TOKENS = 2_000_000  # of one text; in memory they are fifty times as large as in the file


class Statements(list[Statement]):
    """The statements of a block, as the parser's stack holds them while the block is open."""


class Builder:
    """Makes nodes: the parser calls the method of a rule's name with its tokens and nodes."""

    @staticmethod
    def start(parts: list[Any]) -> list[Statement]:
        return parts[0]

    @staticmethod
    def no_statements(parts: list[Any]) -> Statements:
        return Statements()

    @staticmethod
    def more_statements(parts: list[Any]) -> Statements:
        parts[0].append(parts[1])
        return parts[0]

    @staticmethod
    def field(parts: list[Any]) -> Field:
        return Field(parts[0].text, parts[0].start, parts[2])

    @staticmethod
    def block_field(parts: list[Any]) -> Field:
        return Field(parts[0].text, parts[0].start, parts[1])

    @staticmethod
    def scalar(parts: list[Any]) -> Scalar:
        token = parts[0]
        kind = "NUMBER" if token.type == "NUMBER" else "NAME"
        return Scalar(kind, token.text, token.start, token.start + len(token.text))

    @staticmethod
    def signed(parts: list[Any]) -> Scalar:
        sign, token = parts
        kind = "NUMBER" if token.type == "NUMBER" else "NAME"
        return Scalar(kind, sign.text + token.text, sign.start, token.end)

    @staticmethod
    def string(parts: list[Any]) -> Scalar:
        pieces = parts[0]
        return Scalar("STRING", pieces[0].text, pieces[0].start, pieces[-1].end, pieces)

    @staticmethod
    def same(parts: list[Any]) -> Any:
        return parts[0]

    @staticmethod
    def first(parts: list[Any]) -> list[Any]:
        return [parts[0]]

    first_string = first

    @staticmethod
    def more(parts: list[Any]) -> list[Any]:
        parts[0].append(parts[2])
        return parts[0]

    @staticmethod
    def more_strings(parts: list[Any]) -> list[Any]:
        parts[0].append(parts[1])
        return parts[0]

    @staticmethod
    def block(parts: list[Any]) -> Block:
        return Block(parts[1], parts[0].start, parts[2].end)

    @staticmethod
    def empty_list(parts: list[Any]) -> List:
        return List([], parts[0].start, parts[1].end)

    @staticmethod
    def full_list(parts: list[Any]) -> List:
        return List(parts[1], parts[0].start, parts[2].end)

    @staticmethod
    def bottoms(parts: list[Any]) -> tuple[str, list[Any]]:
        return "bottoms", parts[1] if len(parts) == 3 else []

    @staticmethod
    def tops(parts: list[Any]) -> tuple[str, list[Any]]:
        return "tops", parts[1]

    @staticmethod
    def layer(parts: list[Any]) -> Layer:
        made = Layer(parts[0].start, parts[1], parts[3])
        for part in parts[4:]:
            if isinstance(part, Block):
                made.body = part
            else:
                setattr(made, part[0], part[1])
        return made

    @staticmethod
    def phase_layer(parts: list[Any]) -> Layer:
        made = Builder.layer(parts[1:])
        made.phase, made.start = parts[0], parts[0].start
        return made

    @staticmethod
    def include(parts: list[Any]) -> Include:
        pieces = parts[1]
        return Include(parts[0].start, Scalar("STRING", pieces[0].text, pieces[0].start, pieces[-1].end, pieces))

    @staticmethod
    def remove(parts: list[Any]) -> Remove:
        return Remove(parts[0].start, parts[0].text, parts[-1], parts[1] if len(parts) == 4 else None)

    @staticmethod
    def defaults(parts: list[Any]) -> Defaults:
        return Defaults(parts[0].start, parts[1], parts[2])


@cache
def _grammar() -> tuple[Grammar, Tokenizer]:
    """The parser's tables, and the tokenizer; loaded once, at the first file."""
    grammar = Grammar(Builder)
    return grammar, tokenizer(grammar.terminals, grammar.ignored)


def tokens_of(text: str) -> list[Token]:
    """The tokens of a text, the last of type $END; at most MOST_TOKENS + 1 of them."""
    return _grammar()[1](text, MOST_TOKENS)


@dataclass
class Tree:
    """A parsed file: its statements, its errors, and the text in which further errors may be their consequences."""

    source: Source
    statements: list[Statement]
    diagnostics: list[Diagnostic] = field(default_factory=list)
    suspect: list[tuple[int, int]] = field(default_factory=list)  # text whose meaning an error makes uncertain
    shifted: int = 0  # in an included file, the offset of its text: those of the statements begin there

    def is_suspect(self, offset: int) -> bool:
        """Whether an error at an offset may be the consequence of another."""
        at = bisect_right(self._suspect, offset, key=lambda span: span[0]) - 1
        return at >= 0 and offset < self._suspect[at][1]

    def is_blurred(self, start: int, end: int) -> bool:
        """Whether any text between two offsets is suspect."""
        start, end = start - self.shifted, end - self.shifted
        at = bisect_right(self._suspect, end, key=lambda span: span[0]) - 1
        return at >= 0 and start < self._suspect[at][1]

    @cached_property
    def _suspect(self) -> list[tuple[int, int]]:
        """The suspect ranges in order, merged where they overlap."""
        merged: list[tuple[int, int]] = []
        for start, end in sorted(self.suspect):
            if merged and start <= merged[-1][1]:
                merged[-1] = merged[-1][0], max(end, merged[-1][1])
            else:
                merged.append((start, end))
        return merged


def parse(text: str | Source, filename: str = "<text>") -> Tree:
    """Parse any text, or a Source, whose lines messages quote.

    Errors are in `.diagnostics`.

    Raises
    ------
    NetdefError: the text nests too deep, or has too many tokens.
    """
    source = text if isinstance(text, Source) else Source(filename, text)
    grammar, tokenize = _grammar()
    tokens = tokenize(source.text, MOST_TOKENS)
    if len(tokens) > MOST_TOKENS:
        message = f"the text has more than {MOST_TOKENS:,} words, numbers and marks"
        raise NetdefError(message, source.position(tokens[MOST_TOKENS].start), "a net of 10,000 layers has about 300,000")
    conflicts, affected, tokens = without_markers(source, tokens)
    if deep := brackets.too_deep(source, tokens):
        raise NetdefError([deep])
    tree = Tree(source, [], conflicts, affected)
    tokens = [token for index, token in enumerate(tokens) if _is_whole(tree, tokens, index)]
    balanced = brackets.balance(source, tokens)
    tree.diagnostics += balanced.diagnostics
    tree.suspect += balanced.suspect
    tree.statements = _Run(grammar, tree, balanced.tokens).statements()
    return tree


def _is_whole(tree: Tree, tokens: list[Token], index: int) -> bool:
    """Report a string that its line does not close, which is then closed there, and an arrow without a name, which is dropped."""
    token = tokens[index]
    if token.type == OPEN_STRING:
        tree.diagnostics.append(syntax.open_string(token, tree.source.position(token.start, token.end)))
        tree.suspect.append((token.start, token.end))
        token.type, token.text = "STRING", token.text.rstrip().rstrip("'\"") + token.text[0]
    elif token.type == "ARROW" and syntax.begins_line(tree.source, tokens, index + 1):
        position = tree.source.position(token.start, token.end)
        tree.diagnostics.append(Diagnostic("expected a name after '->'", position, "name the top of the layer"))
        return False
    return True


class _Run:
    """One parse of a file: feeds tokens to the parser, and recovers from errors."""

    def __init__(self, grammar: Grammar, tree: Tree, tokens: list[Token]) -> None:
        self.tree = tree
        self.tokens = tokens
        self.strings = {start for start, _ in tree.suspect}
        self.parser = Parser(grammar)
        self.last_error = -1  # index of the last token with an error
        self._partners: dict[int, int] | None = None

    def statements(self) -> list[Statement]:
        tokens, index = self.tokens, 0
        feed = self.parser.feed
        last = len(tokens) - 1
        while index < last:
            try:
                while index < last:
                    feed(tokens[index])
                    index += 1
            except UnexpectedTokenError:
                index = self._recover(index)
            if index == last:
                try:
                    return self.parser.finish(tokens[last])
                except UnexpectedTokenError:
                    index = self._recover(index)
        return self.parser.finish(tokens[last])

    def _recover(self, at: int) -> int:
        """Report the error at a token, drop the statement that it is in, and return the index at which to continue."""
        found, resume = syntax.explain(self.tree.source, self.tokens, at)
        begin = syntax.statement_start(self.tokens, at)
        is_reported = self.tokens[at].start in self.strings or (self.tokens[at].text == "" and self.tokens[at].type != END)
        if not is_reported:
            self.tree.diagnostics.append(found)
        self._drop_statement()
        resume = self._next_statement(at, at + 1 if self.last_error == at else resume)
        self.last_error = at
        self.tree.suspect.append((self.tokens[begin].start, self.tokens[resume].start))
        return resume

    def _drop_statement(self) -> None:
        """Unwind the parser's stack to the statements of the innermost block that is still open."""
        values, states = self.parser.values, self.parser.states
        closed = 0  # blocks whose closer is on the stack and that are not reduced yet
        while values:
            kind = values[-1].type if isinstance(values[-1], Token) else ""
            if not closed and (kind in brackets.BLOCK or isinstance(values[-1], Statements)):
                return
            closed += (kind in ("RBRACE", "MORETHAN")) - (kind in brackets.BLOCK)
            values.pop()
            states.pop()

    def _next_statement(self, at: int, resume: int) -> int:
        """The first token from `resume` on that starts a statement, or the closer of the block around `at`, if that comes
        first."""
        index = min(at, resume)
        while self.tokens[index].type != END:
            if self.tokens[index].type in ("RBRACE", "MORETHAN"):
                return index
            if index >= resume and syntax.begins_statement(self.tree.source, self.tokens, index):
                return index
            index = self.partners.get(index, index) + 1
        return index

    @property
    def partners(self) -> dict[int, int]:
        """The closer of each opener, by index."""
        if self._partners is None:
            self._partners, stack = {}, []
            for index, token in enumerate(self.tokens):
                if token.type in brackets.CLOSER:
                    stack.append(index)
                elif token.type in brackets.OPENER:
                    self._partners[stack.pop()] = index
        return self._partners
