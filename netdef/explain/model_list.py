"""`netdef models`: the networks of the package, each with a line about it and its totals."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

from netdef.graph.shape import shape_text
from netdef.language.find import model_names, models_folder, shown
from netdef.language.gc_pause import gc_paused
from netdef.language.units import decimal, thousands
from netdef.loading import load

if TYPE_CHECKING:
    from netdef.graph.net import Net

FORMATS = ("text", "json")
WIDTH = 126  # columns where no terminal says otherwise
_HEADER = ("model", "input", "layers", "parameters", "MACs/image", "")
_NUMBERS = (2, 3, 4)  # columns of them


@dataclass(frozen=True)
class Model:
    """A model and its totals.

    Attributes
    ----------
    about: the first sentence of the comment at the top of its file.
    input: of one image, channels first.
    layers: the number of those with weights: matrices, kernels or tables, not one number a channel.
    parameters, statistics, macs: in testing; macs are multiply-accumulates of one image, forward.
    """

    name: str
    about: str
    input: tuple[int, ...]
    layers: int
    parameters: int
    statistics: int
    macs: int
    file: str


@gc_paused
def models() -> list[Model]:
    """All models, by name."""
    return [_model(name) for name in model_names()]


def render(form: str = "text", width: int = WIDTH) -> str:
    """The list in one of FORMATS; if `width` columns are too few, each description is below its row."""
    found = models()
    if form == "json":
        return json.dumps([asdict(model) for model in found], indent=1)
    rows = [(m.name, shape_text(m.input), str(m.layers), thousands(m.parameters), decimal(m.macs), m.about) for m in found]
    widths = [max(len(row[column]) for row in (_HEADER, *rows)) for column in range(len(_HEADER))]
    lines = [_line(row, widths) for row in (_HEADER, *rows)]
    if max(map(len, lines)) > width:
        lines = [_line(_HEADER, widths)]
        for row in rows:
            lines += [_line((*row[:-1], ""), widths), f"  {row[-1]}"]
    note = "layers: those with weights, not one number a channel.  MACs: multiply-accumulates, forward.  All in the test phase."
    return "\n".join([*lines, "", fill(note, width)])


def about(text: str) -> str:
    """The first sentence of the comment at the top of a file, up to a full stop or colon."""
    comment = " ".join(line.lstrip("#").strip() for line in re.match(r"(#[^\n]*\n)*", text)[0].splitlines())  # type: ignore[index]
    return re.split(r"[.:](?=\s|$)", comment, maxsplit=1)[0]


def _model(name: str) -> Model:
    path = models_folder() / f"{name}.net"
    net = load(path, phase="test")
    totals = net.totals
    return Model(
        name=name,
        about=about(Path(path).read_text(encoding="utf-8")),
        input=_input(net),
        layers=sum(any(len(parameter.shape) > 1 for parameter in layer.parameters) for layer in net.layers),
        parameters=totals.parameters,
        statistics=totals.statistics,
        macs=totals.macs,
        file=str(shown(path)),
    )


def _input(net: Net) -> tuple[int, ...]:
    """The shape of one image of the first source."""
    return next((top.shape[1:] for layer in net.layers if layer.is_source for top in layer.tops), ())


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    columns = enumerate(zip(row, widths, strict=True))
    return "  ".join(cell.rjust(width) if column in _NUMBERS else cell.ljust(width) for column, (cell, width) in columns).rstrip()
