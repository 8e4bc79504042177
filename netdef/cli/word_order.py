"""The command line that was meant, where its words stand in another order: `netdef predict cat.jpg lenet`."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

from netdef.language.find import RUN_NET
from netdef.language.kinds import NET, SOLVER, WEIGHTS, kind_of

PICTURES = (".svg", ".png", ".html", ".dot")
IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".tif", ".tiff", ".webp")
OUT = ("draw", "export")  # commands whose output has -o before it
# Commands that take one net, and what goes with it; the option before each kind of word, "" for a word of its own.
WEIGHED = {NET: "", WEIGHTS: "--weights"}
TAKES: dict[str, dict[str, str]] = {
    "predict": {**WEIGHED, "image": ""},
    "detect": {**WEIGHED, "image": ""},
    "test": WEIGHED,
    "extract": WEIGHED,
    "draw": {NET: "", "out": "-o"},
    "export": {**WEIGHED, "out": "-o"},
    "convert": {NET: "", "out": ""},
    "study": {NET: "", SOLVER: "--solver"},
}


def meant(command: str, words: Sequence[str], all_words: Sequence[str]) -> str:
    """The command line with its words in order; "" where they are in order, or it is not clear what they are.

    Parameters
    ----------
    words: those that are no options and no values of options, as given.  all_words: with these.
    """
    takes = TAKES.get(command)
    if takes is None or len(words) < 2:
        return ""
    kinds = [_kind(word, command) for word in words]
    if kinds.count(NET) < 1 or not set(kinds) <= set(takes):
        return ""
    if command != "study" and kinds.count(NET) > 1:
        return ""
    rest = list(all_words)
    for word in words:
        if word in rest:
            rest.remove(word)
    order: list[str] = []
    for kind, option in takes.items():
        for word in (word for word, own in zip(words, kinds, strict=True) if own == kind):
            order += [option, word] if option else [word]
    return "" if order == list(words) else shlex.join(["netdef", command, *order, *rest])


def _kind(word: str, command: str) -> str:
    """What a word is: a net, a solver, weights, an image, or a file to write."""
    if word.endswith(PICTURES) and command in OUT:
        return "out"
    if word.lower().endswith(IMAGES) or (os.path.isdir(word) and not os.path.isfile(os.path.join(word, RUN_NET))):
        return "image"
    if (known := kind_of(word)) in (NET, SOLVER) and (os.path.exists(word) or command != "convert" or "." not in word):
        return known or ""
    if command in ("export", "convert") and not os.path.exists(word):
        return "out"
    return kind_of(word) or ""
