"""The whole picture: its head and legend around volumes, cards or lanes, in the format that a file's ending names."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netdef.draw import svg
from netdef.draw.device_columns import device_columns
from netdef.draw.dot import dot
from netdef.draw.fold import Unit, units_of
from netdef.draw.layer_cards import layer_cards
from netdef.draw.stages import Drawing, drawing_of
from netdef.draw.theme import KINDS, text_width
from netdef.draw.volumes import volumes
from netdef.draw.words import facts, headline, plain, rates
from netdef.language.diagnostics import NetdefError
from netdef.language.gc_pause import gc_paused
from netdef.language.writing import write_over

if TYPE_CHECKING:
    from netdef.graph.net import Net

FORMATS = ("svg", "html", "png", "dot")
STYLES = ("auto", "volumes", "cards")
_MARGIN = 36.0
_HEAD = 104.0  # name, totals, legend
_ON_VOLUMES = "height and depth grow with rows and columns (to the power of 0.6), thickness with the root of the channels"
_ON_CARDS = "at the right of a box: parameters  ·  multiply-accumulates an image"
_ON_REPEATED = "; what repeats is drawn once, with the numbers of one"
_ON_LANES = f"{_ON_CARDS}; on a wire from device to device: the bytes it carries a batch, forward"
MOST_SOLIDS = 40  # stages; more from left to right would be a strip that no screen holds
MOST_CARDS = 28  # stages of a net with branches that are all drawn, in one column


def draw(
    net: Net,
    path: str | os.PathLike[str],
    style: str = "auto",
    whole: Net | None = None,
    devices: Sequence[str] = (),
    trained: Mapping[str, Mapping[str, Any]] | None = None,
) -> Path:
    """Draw a net to a file; its ending is one of FORMATS. Returns the path.

    Parameters
    ----------
    style: one of STYLES; "auto" takes volumes for a net that goes straight on and has no more than MOST_SOLIDS stages.  Of a
        long net it draws cards in columns, and what repeats once; "cards" draws every layer in one column.
    devices: for a net that was placed on several, their names; each gets a column, and what crosses shows its bytes.
    whole: the net before it was placed, whose name and totals are shown.
    trained: what a page shows of a layer's weights: `histograms`, each with counts, low, high and text; and `filters`, with source,
        a data URI, and text.

    Raises
    ------
    NetdefError: the ending is none of them, a library is missing, or the file cannot be written.
    """
    path = Path(path)
    form = path.suffix.lstrip(".").lower()
    if form not in FORMATS:
        raise NetdefError(f"{path}: pictures end in {', '.join('.' + name for name in FORMATS)}")
    write_over(path, render(net, form, style, whole, devices, trained=trained))
    return path


@gc_paused
def render(
    net: Net,
    form: str,
    style: str = "auto",
    whole: Net | None = None,
    devices: Sequence[str] = (),
    with_rates: bool = False,
    trained: Mapping[str, Mapping[str, Any]] | None = None,
) -> bytes:
    """The picture of a net as the bytes of a file of one of FORMATS; parameters as in `draw`.

    Parameters
    ----------
    with_rates: whether it shows the factors of learning rates, on cards.
    """
    style = "cards" if with_rates and form != "dot" else style
    drawing, units = drawing_of(net, whole), list[Unit]()
    for stage in drawing.stages if with_rates else ():
        stage.note = rates(stage)
    most = MOST_SOLIDS if drawing.straight else MOST_CARDS
    if style == "auto" and not devices and form != "dot" and len(drawing.stages) > most:
        drawing, units = units_of(drawing)
    if form == "dot" and style != "auto":
        raise NetdefError(f"--style {style}: a .dot file has no style", hint="the program that reads it lays it out")
    if form == "dot":
        return dot(drawing, devices).encode()
    picture = _picture(drawing, style, devices, units)
    if form == "svg":
        return picture.encode()
    if form == "png":
        from netdef.draw.png import png

        return png(picture)
    from netdef.draw.page import page

    return page(drawing, picture, trained).encode()


def _picture(drawing: Drawing, style: str, devices: Sequence[str], units: Sequence[Unit]) -> str:
    titles = [plain(sections) for sections in facts(drawing.net, drawing.stages)]
    if style == "volumes" and devices:
        raise NetdefError("volumes are for a net on one device", hint="several devices are drawn as columns of cards")
    if style == "volumes" and not drawing.straight:
        raise NetdefError(f"{drawing.whole.filename} branches; volumes are for nets that go straight on", hint="draw it as cards")
    few = len(drawing.stages) <= MOST_SOLIDS
    as_volumes = not (devices or units) and drawing.straight and (style == "volumes" or (style == "auto" and few))
    if devices:
        content, width, height = device_columns(drawing, titles, devices)
    else:
        content, width, height = volumes(drawing, titles) if as_volumes else layer_cards(drawing, titles, units)
    name, totals = headline(drawing.whole)
    repeated = _ON_REPEATED if any(unit.count > 1 for unit in units) else ""
    remark = _ON_VOLUMES if as_volumes else _ON_LANES if devices else _ON_CARDS + repeated
    legend, legend_width = _legend(drawing, remark)
    head = svg.text(0, 20, name, "title") + svg.text(0, 42, totals, "note") + legend
    width = max(width, legend_width, text_width(totals, 11), text_width(name, 22, bold=True))
    inside = svg.tag("g", head, transform=f"translate({_MARGIN:g} {_MARGIN:g})")
    inside += svg.tag("g", "".join(content), transform=f"translate({_MARGIN:g} {_MARGIN + _HEAD:g})")
    kinds = {stage.kind for stage in drawing.stages}
    return svg.document(inside, width + 2 * _MARGIN, height + _HEAD + 2 * _MARGIN, name, totals, kinds)


def _legend(drawing: Drawing, remark: str) -> tuple[str, float]:
    """Which colour is which, and below it the remark; and how wide it is."""
    used = {stage.kind for stage in drawing.stages}
    pieces, x = [], 0.0
    for kind, (label, _) in KINDS.items():
        if kind in used:
            pieces += [svg.group([svg.rect(x, 57, 11, 11, "key", 3)], kind), svg.text(x + 17, 66.5, label, "note")]
            x += 17 + text_width(label, 11) + 18
    pieces.append(svg.text(0, 86, remark, "note"))
    return "".join(pieces), max(x, text_width(remark, 11))
