"""Find the known word most similar to a misspelt one."""

from __future__ import annotations

import re
from collections.abc import Collection

_NUMBER, _CAPITAL = re.compile(r"\d+"), re.compile(r"[A-Z]")


def distance(a: str, b: str, limit: int) -> int:
    """How many letters to insert, drop, replace or swap with their neighbour to turn `a` into `b`.

    Anything above `limit` may be returned as limit + 1. (Optimal string alignment; Damerau 1964.)
    """
    if abs(len(a) - len(b)) > limit:
        return limit + 1
    before: list[int] = []
    last = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            cost = min(last[j] + 1, row[-1] + 1, last[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
        before, last = last, row
    return last[-1]


def nearest(word: str, known: Collection[str]) -> str | None:
    """The known word most similar to `word`; None if none is similar.

    Case and underscores do not count: batchSize is batch_size.
    """
    plain = _plain(word)
    limit = max(1, min(4, len(plain) // 3))
    best: tuple[int, int, str] | None = None
    for candidate in known:
        other = _plain(candidate)
        found = distance(plain, other, limit)
        if found > limit or found >= max(len(plain), len(other)):
            continue
        rank = (found, 0 if other[:1] == plain[:1] else 1, candidate)
        if best is None or rank < best:
            best = rank
    return best[2] if best else _containing(plain, known)


def misspelt(word: str, known: Collection[str]) -> str | None:
    """The known word that `word` is a misspelling of; None if it may well be another word.

    Another word has other numbers (ReLU6), other capitals (NdConvolution), a word more or less (dilation_h), or differs in a
    word of one or two letters (bn_param, lrn_param).
    """
    plain = _plain(word)
    best: tuple[int, str] | None = None
    for candidate in known:
        other = _plain(candidate)
        if plain == other:
            return candidate
        limit = 2 if min(len(plain), len(other)) >= 8 else 1
        found = distance(plain, other, limit)
        if found <= limit and (best is None or (found, candidate) < best) and not _are_words_apart(word, candidate):
            best = found, candidate
    return best[1] if best else None


def _are_words_apart(word: str, known: str) -> bool:
    """Whether two names of similar letters are likely to be two names all the same."""
    if _NUMBER.findall(word) != _NUMBER.findall(known):
        return True
    is_constant = word.upper() == word and known.upper() == known and len(known) > 4  # POOLNG, which is no acronym
    if word.lower() != word and not is_constant and sorted(_CAPITAL.findall(word)) != sorted(_CAPITAL.findall(known)):
        return True
    mine, theirs = word.split("_"), known.split("_")
    if len(mine) != len(theirs):
        shorter, longer = sorted((mine, theirs), key=len)
        return longer[: len(shorter)] == shorter or longer[-len(shorter) :] == shorter
    return any(_are_two_words(a, b) for a, b in zip(mine, theirs, strict=True) if a != b)


def _are_two_words(a: str, b: str) -> bool:
    """Whether two words are too short for so many letters of difference."""
    shorter = min(len(a), len(b))
    limit = 2 if shorter >= 6 else 1
    return shorter < 3 or distance(a, b, limit) > limit


def _containing(plain: str, known: Collection[str]) -> str | None:
    """The shortest known word that starts or ends with the word in question."""
    candidates = [word for word in known if plain in (word.split("_")[0].lower(), word.split("_")[-1].lower())]
    if not candidates and len(plain) >= 4:
        candidates = [word for word in known if _plain(word).startswith(plain) or _plain(word).endswith(plain)]
    return min(candidates, key=len, default=None)


def did_you_mean(word: str, known: Collection[str]) -> str:
    """ "did you mean ...?" as a hint, or an empty string."""
    found = nearest(word, known)
    return f"did you mean {found}?" if found else ""


def one_of_namesakes(word: str, known: Collection[str]) -> str:
    """A hint for a name such as relu#2, which tables use for one of several layers called relu; or an empty string."""
    name, _, number = word.rpartition("#")
    if not number.isdecimal() or name not in known:
        return ""
    return f"several layers of the file are called {name}: give this one its own name there, or write {name} for all of them"


def _plain(word: str) -> str:
    return word.replace("_", "").replace("-", "").lower()
