"""Recognise whether a file holds a net, a solver or weights, by the words in it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from netdef.language.contents import MOST_TEXT
from netdef.language.diagnostics import NetdefError
from netdef.language.find import RUN_NET, model_names, models_folder
from netdef.language.foreign import holds_hdf5
from netdef.schema import message_class
from netdef.schema.idle_fields import ALSO_OF_NETS

NET, SOLVER, WEIGHTS = "net", "solver", "weights"
WEIGHT_ENDINGS = (".caffemodel", ".caffemodel.h5")
# Words that only nets start a statement with.
LANGUAGE = {"layer", "layers", "train", "test", "defaults", "include", "remove", "bypass"}
_PIECE = re.compile(r"""#[^\n]*|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?|[{<]|[}>]|[A-Za-z_]\w*""")


def kind_of(name: str) -> str | None:
    """Whether a file, or a model or solver of the package, is a net, a solver or weights; None if that is unclear."""
    path = Path(name)
    if str(path).endswith(WEIGHT_ENDINGS) or holds_hdf5(path):
        return WEIGHTS
    if os.path.isfile(path / RUN_NET):
        return NET
    if not os.path.isfile(name):
        if path.name == name and os.path.isfile(models_folder() / f"{name.removesuffix('.txt')}.txt"):
            return SOLVER
        return NET if name in model_names() or path.suffix == ".net" else None
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(MOST_TEXT)
    except (OSError, UnicodeDecodeError):
        return None
    return kind_of_text(text, name)


def not_of_kind(name: str, text: str, message_name: str) -> NetdefError | None:
    """The error about a solver that is read as a net, or a net that is read as a solver."""
    kind = kind_of_text(text, name)
    if message_name == "NetParameter" and kind == SOLVER:
        net = re.search(r"""^\s*(?:train_)?net\s*:\s*["']([^"'\n]+)""", text, re.MULTILINE)
        its = f"its net is {net[1]}; " if net else ""
        return NetdefError(
            f"{name} is a solver, where a net was expected", hint=f"{its}netdef train {name} trains it", code="ND004"
        )
    if message_name == "SolverParameter" and kind == NET:
        return NetdefError(f"{name} is a net, where a solver was expected", hint="a solver has base_lr and lr_policy", code="ND004")
    return None


def kind_of_text(text: str, name: str = "") -> str | None:
    """Whether a text is a net or a solver; None if that is unclear."""
    words = outer_words(text)
    of_net = set(message_class("NetParameter").DESCRIPTOR.fields_by_name) | LANGUAGE
    of_solver = set(message_class("SolverParameter").DESCRIPTOR.fields_by_name) - ALSO_OF_NETS
    nets, solvers = len(words & (of_net - of_solver)), len(words & (of_solver - of_net))
    if nets == solvers:
        return NET if name.endswith(".net") else None
    return NET if nets > solvers else SOLVER


def outer_words(text: str) -> set[str]:
    """The words of a text outside strings, comments and braces."""
    depth, words = 0, set()
    for match in _PIECE.finditer(text):
        piece = match[0]
        if piece in "{<":
            depth += 1
        elif piece in "}>":
            depth = max(0, depth - 1)
        elif depth == 0 and (piece[0].isalpha() or piece[0] == "_"):
            words.add(piece)
    return words
