"""Compile netdef/language/grammar.lark to what the package loads: grammar.json, the tables of a LALR(1) parser.

Run it after changing the grammar, from anywhere: `python tools/make_grammar.py`. It needs lark (extra `test`), which the package
itself does not: importing lark and computing the tables takes longer than everything else that `netdef shapes` does.
`--check` writes nothing and fails if the file in the tree is not what it would write.

The contents of grammar.json:

    terminals   the regular expression, or the text, of each terminal; `ignored` lists those between tokens
    rules       callback, origin, number of symbols, and the indices of symbols that stand for a list of their own
    states      for each state, by terminal: n >= 0 shifts to state n, n < 0 reduces by rule -1 - n; by origin: the next state
    start, end  the first state, and the one in which a text is complete
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LANGUAGE = ROOT / "netdef" / "language"
TABLES = LANGUAGE / "grammar.json"


def tables() -> dict[str, Any]:
    """What grammar.json holds."""
    from lark import Lark
    from lark.lexer import PatternStr
    from lark.parsers.lalr_analysis import Shift

    lark = Lark(
        (LANGUAGE / "grammar.lark").read_text(encoding="utf-8"), parser="lalr", keep_all_tokens=True, maybe_placeholders=False
    )
    parse_table: Any = lark.parser.parser._parse_table
    start, end = parse_table.start_states["start"], parse_table.end_states["start"]
    order = [start]  # by the symbols that lead to them: lark numbers states in the order of a set
    for state in order:
        for _, (kind, target) in sorted(parse_table.states[state].items(), key=lambda item: item[0]):
            if kind is Shift and target not in order:
                order.append(target)
    actions = [argument for state in order for kind, argument in parse_table.states[state].values() if kind is not Shift]
    rules = sorted({described(rule) for rule in actions})

    def code(kind: Any, argument: Any) -> int:
        return order.index(argument) if kind is Shift else -1 - rules.index(described(argument))

    return {
        "terminals": {
            one.name: {"text": one.pattern.value} if isinstance(one.pattern, PatternStr) else {"pattern": one.pattern.to_regexp()}
            for one in sorted(lark.terminals, key=lambda one: one.name)
        },
        "ignored": sorted(lark.ignore_tokens),
        "rules": rules,
        "states": [{name: code(*action) for name, action in sorted(parse_table.states[state].items())} for state in order],
        "start": order.index(start),
        "end": order.index(end),
    }


def described(rule: Any) -> tuple[str, str, int, tuple[int, ...]]:
    """A rule as grammar.json has it."""
    lists = tuple(index for index, symbol in enumerate(rule.expansion) if not symbol.is_term and symbol.name.startswith("_"))
    return rule.alias or str(rule.origin.name), str(rule.origin.name), len(rule.expansion), lists


def contents() -> str:
    """The text of grammar.json."""
    return json.dumps(tables(), separators=(",", ":")) + "\n"


def main() -> None:
    if "--check" not in sys.argv[1:]:
        TABLES.write_text(contents(), encoding="utf-8")
    elif TABLES.read_text(encoding="utf-8") != contents():
        raise SystemExit(f"{TABLES.relative_to(ROOT)} is out of date: run python tools/make_grammar.py")


if __name__ == "__main__":
    main()
