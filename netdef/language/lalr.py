"""Run a LALR(1) parser by the tables of grammar.json, which tools/make_grammar.py makes of grammar.lark."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from netdef.language.nodes import Token

TABLES = Path(__file__).parent / "grammar.json"


class UnexpectedTokenError(Exception):
    """No text continues with this token here."""


class Grammar:
    """The tables of a grammar.

    Parameters
    ----------
    builder: has a function for each callback of a rule, from the list of its tokens and values to its value.

    Attributes
    ----------
    terminals: by name, {"text": ...} or {"pattern": ...}. ignored: those between tokens.
    states: for each state what follows a symbol: the next state, or -1 - the number of the rule to reduce by.
    start, end: the first state, and the one in which a text is complete.
    rules: callback, origin, number of symbols, and the indices of those whose value is a list to put in its place.
    """

    def __init__(self, builder: Any) -> None:
        held = json.loads(TABLES.read_text(encoding="utf-8"))
        self.terminals: dict[str, dict[str, str]] = held["terminals"]
        self.ignored: list[str] = held["ignored"]
        self.states: list[dict[str, int]] = held["states"]
        self.start: int = held["start"]
        self.end: int = held["end"]
        self.rules: list[tuple[Callable[[list[Any]], Any], str, int, list[int]]] = [
            (getattr(builder, callback) if not callback.startswith("_") else list, origin, size, lists)
            for callback, origin, size, lists in held["rules"]
        ]


class Parser:
    """The stacks of one parse. `values` holds a token or a rule's value for each state after the first of `states`."""

    def __init__(self, grammar: Grammar) -> None:
        self.grammar = grammar
        self.states = [grammar.start]
        self.values: list[Any] = []

    def feed(self, token: Token) -> None:
        """Take a token.

        Raises
        ------
        UnexpectedTokenError: no text goes on with it. It is not taken; rules before it may have been reduced.
        """
        table, states = self.grammar.states, self.states
        while (action := table[states[-1]].get(token.type)) is not None:
            if action >= 0:
                states.append(action)
                self.values.append(token)
                return
            self._reduce(-1 - action)
        raise UnexpectedTokenError

    def finish(self, end: Token) -> Any:
        """The value of the whole text, whose last token is of type $END; errors as in `feed`."""
        table, states = self.grammar.states, self.states
        while (action := table[states[-1]].get(end.type)) is not None:
            self._reduce(-1 - action)
            if states[-1] == self.grammar.end:
                return self.values[-1]
        raise UnexpectedTokenError

    def _reduce(self, number: int) -> None:
        callback, origin, size, lists = self.grammar.rules[number]
        states, values = self.states, self.values
        symbols = values[len(values) - size :]
        del states[len(states) - size :], values[len(values) - size :]
        for index in reversed(lists):
            symbols[index : index + 1] = symbols[index]
        states.append(self.grammar.states[states[-1]][origin])
        values.append(callback(symbols))
