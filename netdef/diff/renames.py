"""Renamed layers in a few words: what of their names has changed, once for all that changed so."""

from __future__ import annotations

import re
from collections.abc import Sequence

FEWEST = 3  # layers that make a pattern


def renamed(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Lines for (before, after) names: `*3b* -> *3b1*` with the number of layers where several change alike, then all others."""
    groups: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for pair in pairs:
        groups.setdefault(pattern(*pair), []).append(pair)
    by_count: dict[int, list[str]] = {}
    single = []
    for (before, after), members in groups.items():
        if len(members) >= FEWEST:
            by_count.setdefault(len(members), []).append(f"{before} -> {after}")
        else:
            single += [f"{a} -> {b}" for a, b in members]
    lines = [f"{', '.join(texts)} ({count} layers{' each' if len(texts) > 1 else ''})" for count, texts in by_count.items()]
    return lines + ([", ".join(single)] if single else [])


def pattern(before: str, after: str) -> tuple[str, str]:
    """What two names differ in, * standing for what they share: ("*3b*", "*3b1*") of res3b_branch2a and res3b1_branch2a.

    Names are compared word by word; a word that changes loses the letters that both begin with.
    """
    words = [re.split(r"([^0-9A-Za-z]+)", name) for name in (before, after)]
    other = [index for index, (a, b) in enumerate(zip(*words, strict=False)) if a != b]
    if len(words[0]) != len(words[1]) or len(other) != 1:
        return _longer(before, after)
    (index,) = other
    changed = [side[index] for side in words]
    heads = {re.match(r"[A-Za-z]*", word)[0] for word in changed}  # type: ignore[index]
    head = heads.pop() if len(heads) == 1 else ""
    start = "*" if head or index > 0 else ""
    return f"{start}{changed[0][len(head) :]}*", f"{start}{changed[1][len(head) :]}*"


def _longer(before: str, after: str) -> tuple[str, str]:
    """Both names, the shorter one as * where the other begins or ends with it."""
    if after.startswith(before) or after.endswith(before):
        return "*", after.replace(before, "*", 1)
    if before.startswith(after) or before.endswith(after):
        return before.replace(after, "*", 1), "*"
    return before, after
