"""A Difference as an HTML page that needs no network: findings, and both nets side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from math import isfinite
from pathlib import Path

from netdef.diff.align import Match
from netdef.diff.compare import COSTS, FACTS, HEADS, Compared
from netdef.diff.difference import Difference
from netdef.diff.finding import Finding, summed
from netdef.diff.side_by_side import rows
from netdef.diff.solvers import SolverDifference
from netdef.diff.text import percent
from netdef.diff.weights import WeightsDifference, change_text
from netdef.graph.layer import Layer
from netdef.language.printable import in_page
from netdef.language.units import binary, decimal, plural, thousands

_FOLDER = Path(__file__).parent
ROW, BOX, LANE, GAP = 30, 24, 196, 96  # pixels of the drawing: a row, a box, a column of boxes, the space between the columns
LETTERS = 7.2  # pixels of a letter, for shortening
MARKS = {
    "inserted": "+",
    "removed": "−",
    "swapped": "⇅",
    "merged": "⇒",
    "split": "⇐",
    "replaced": "↻",
    "renamed": "Aa",
    "follows": "↳",
}


def render(difference: Difference) -> str:
    """The HTML of `netdef diff`."""
    before, after = escape(difference.before), escape(difference.after)
    compared = next((one for one in difference.compared.values() if one), difference.main)
    body = [
        *(f'<p class="note">{escape(note)}</p>' for note in difference.notes),
        f'<section class="totals">{"".join(_totals(difference))}</section>',
        '<main><div class="findings">',
        *_sections(difference),
        "</div>",
        f'<aside><div class="lanes"><h2><span>{before}</span><span>{after}</span></h2>{_drawing(compared)}</div></aside></main>',
        '<div id="card" hidden></div>',
    ]
    return _page(difference.before, difference.after, _subtitle(difference, compared), body)


def render_findings(difference: SolverDifference | WeightsDifference) -> str:
    """The HTML of a diff of solvers or of weights."""
    norms = _norms(difference) if isinstance(difference, WeightsDifference) else ()
    body = ['<main><div class="findings">', *map(_finding, difference.findings), *norms, "</div></main>"]
    return _page(difference.before, difference.after, difference.subject, body)


def _norms(difference: WeightsDifference) -> Iterator[str]:
    """A table of each array's norm in the files that have it, and of two files a bar for how far they are apart."""
    if not difference.norms:
        return
    sides = [side for side in ("before", "after") if any(getattr(one, side) is not None for one in difference.norms)]
    heads = [escape(getattr(difference, side)) for side in sides]
    both = len(sides) == 2
    yield '<article class="finding same norms"><h3>Norms of the weights</h3><table class="facts"><tr><th>layer</th><th>array</th>'
    yield "".join(f"<th>{head}</th>" for head in heads)
    yield "<th>root mean square</th>" + ("<th colspan=2>change, |b − a| / |a|</th>" if both else "") + "</tr>"
    largest = max((one.change for one in difference.norms if one.change and isfinite(one.change)), default=0.0)
    last = None
    for one in difference.norms:
        cells = [f'<td class="n">{_norm(getattr(one, side))}</td>' for side in sides] + [f'<td class="n">{_norm(one.rms)}</td>']
        if both:
            share = 100 * one.change / largest if one.change and isfinite(one.change) and largest else 0
            cells.append(f'<td class="n">{change_text(one)}</td><td class="share"><i style="width:{share:.1f}%"></i></td>')
        name = f"<th><code>{escape(one.layer)}</code></th>" if one.layer != last else "<th></th>"
        last = one.layer
        yield f"<tr>{name}<td>{one.index}</td>{''.join(cells)}</tr>"
    yield "</table>"
    if not both:
        text = "A net has no weights of its own, so there is no change to show: give two files, such as snapshots of one run."
        yield f'<p class="note">{text}</p>'
    yield "</article>"


def _norm(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _page(before: str, after: str, subtitle: str, body: Sequence[str]) -> str:
    style = (_FOLDER / "page.css").read_text(encoding="utf-8")
    a, b = escape(before), escape(after)
    return in_page(
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{a} → {b}</title>\n<style>\n{style}</style></head>\n<body>\n"
        f'<header><h1><span class="a">{a}</span><span class="to">→</span><span class="b">{b}</span></h1>'
        f"<p>{escape(subtitle)}</p></header>\n" + "\n".join(body) + f"\n<script>\n{script()}</script>\n</body></html>\n"
    )


def script() -> str:
    """What the page runs."""
    return (_FOLDER / "page.js").read_text(encoding="utf-8")


def _subtitle(difference: Difference, compared: Compared) -> str:
    if not difference:
        return f"no differences in {difference.phases}"
    counts = [
        (sum(bool(changes) for changes in compared.changes.values()), "changed"),
        (sum(not match.before for match in compared.matches), "inserted"),
        (sum(not match.after for match in compared.matches), "removed"),
    ]
    counted = ", ".join(f"{count} {what}" for count, what in counts if count)
    sizes = [len(net.layers) for net in (compared.before, compared.after)]
    layers = plural(sizes[0], "layer") if sizes[0] == sizes[1] else f"{sizes[0]} → {sizes[1]} layers"
    return f"{difference.phases}; {layers}: {counted}"


def _totals(difference: Difference) -> Iterator[str]:
    """A card with two bars for each sum."""
    if difference.totals is None:
        return
    old, new = difference.totals
    for what, a, b, text in (
        ("parameters", old.parameters, new.parameters, thousands),
        ("statistics", old.statistics, new.statistics, thousands),
        ("multiply-accumulates per image", old.macs, new.macs, decimal),
        (f"activations, {difference.totals_of}", old.activation_bytes, new.activation_bytes, binary),
    ):
        if what == "statistics" and not (a or b):
            continue
        most = max(a, b, 1)
        share = percent(a, b) if a and a != b else "the same" if a == b else f"+{text(b)}"
        sign = "more" if b > a else "less" if b < a else "same"
        bars = "".join(
            f'<div class="bar {side}"><i style="width:{100 * value / most:.1f}%"></i><b>{text(value)}</b></div>'
            for side, value in (("a", a), ("b", b))
        )
        yield f'<div class="total"><h3>{what}<em class="{sign}">{share}</em></h3>{bars}</div>'


def _sections(difference: Difference) -> Iterator[str]:
    for section in difference.sections:
        if section.phase:
            yield f"<h2>Only in the {section.phase} phase</h2>"
        for finding in section.findings:
            yield _finding(finding)
    if not difference:
        yield '<article class="finding same"><h3>No differences</h3></article>'


def _finding(finding: Finding) -> str:
    about = escape("\n".join(finding.layers), quote=True)
    mark = MARKS.get(finding.kind, "≠")
    pieces = [f'<article class="finding {finding.kind}" data-layers="{about}"><h3><i>{mark}</i>{_arrows(finding.title)}</h3>']
    pieces += [f"<p>{_chained(line)}</p>" for line in finding.lines]
    if finding.rows:
        pieces.append("<table>")
        last: Sequence[str] | None = None
        for row in finding.rows:
            names = " ".join(f"<code>{escape(name)}</code>" for name in row.who) if row.who != last else ""
            who = f"<th>{names}</th>" if any(one.who for one in finding.rows) else ""
            last = row.who
            pieces.append(
                f'<tr>{who}<td class="what">{escape(row.what)}</td><td class="a">{escape(row.before)}</td>'
                f'<td class="to">→</td><td class="b">{escape(row.after)}</td></tr>'
            )
        pieces.append("</table>")
    pieces += _facts(finding)
    return "".join([*pieces, "</article>"])


def _arrows(text: str) -> str:
    return escape(text.replace(" -> ", " → "))


def _chained(line: str) -> str:
    """A line of a finding; the way from layer to layer as a row of boxes."""
    if " -> " not in line:
        return escape(line)
    ways = []
    for index, way in enumerate(line.split("   is now   ")):
        links = " <span>›</span> ".join(f"<code>{escape(name)}</code>" for name in way.split(" -> "))
        ways.append(f'<span class="way {"ab"[index]}">{links}</span>' if "is now" in line else escape(line))
    return "".join(ways)


def _facts(finding: Finding) -> Iterator[str]:
    facts = summed(finding)
    kinds = [kind for kind in HEADS if any(kind in one.cells for one in facts)]
    if not kinds:
        return
    yield "<table class='facts'><tr><th></th>" + "".join(f"<th colspan=3>{HEADS[kind]}</th>" for kind in kinds) + "</tr>"
    for one in facts:
        cells = []
        for kind in kinds:
            before, after = one.cells.get(kind, (None, None))
            arrow = "→" if before and after else ""
            number = " n" if kind in COSTS else ""
            cells.append(
                f'<td class="a{number}">{escape(before or "")}</td><td class="to">{arrow}</td>'
                f'<td class="b{number}">{escape(after or "")}</td>'
            )
        yield f"<tr><th><code>{escape(one.who)}</code></th>{''.join(cells)}</tr>"
    costs = finding.costs
    if costs and len(facts) > 1:
        cells = [_sum(kind, costs.get(kind, 0)) for kind in kinds]
        yield f'<tr class="sum"><th>in all</th>{"".join(cells)}</tr>'
    yield "</table>"


def _sum(kind: str, number: int) -> str:
    sign = "more" if number > 0 else "less"
    return f'<td colspan=3 class="{sign}">{COSTS[kind](abs(number))} {sign}</td>' if number else "<td colspan=3></td>"


# The two nets, side by side.


def _drawing(compared: Compared) -> str:
    """Boxes of both nets, and lines between counterparts."""
    matches = {layer: match for match in compared.matches for layer in (*match.before, *match.after)}
    row_of: dict[Layer, int] = {}
    boxes: list[str] = []
    table = rows(compared)
    for index, row in enumerate(table):
        y = index * ROW + (ROW - BOX) / 2
        if row.folded:
            x = LANE + GAP / 2
            boxes.append(f'<text class="folded" x="{x}" y="{y + BOX / 2}">{row.folded} layers the same</text>')
        for side, layer in enumerate((row.left, row.right)):
            if layer is not None:
                row_of[layer] = index
                boxes.append(_box(layer, side, y, matches[layer], compared))
    lines = [
        _line(row_of[a], row_of[b], _state(match, compared), match)
        for match in compared.matches
        for a in match.before
        for b in match.after
        if a in row_of and b in row_of
    ]
    size = 2 * LANE + GAP, len(table) * ROW
    return f'<svg viewBox="0 0 {size[0]} {size[1]}" width="{size[0]}" height="{size[1]}">{"".join(lines + boxes)}</svg>'


def _state(match: Match, compared: Compared) -> str:
    if not match.before:
        return "inserted"
    if not match.after:
        return "removed"
    kinds = {change.kind for change in compared.changes.get(match, [])}
    if not kinds:
        return "same"
    if kinds <= set(FACTS):
        return "follows"
    return "moved" if kinds <= {"wiring", "output", "macs", "activations", "name"} else "changed"


def _box(layer: Layer, side: int, y: float, match: Match, compared: Compared) -> str:
    x = side * (LANE + GAP)
    name = _shortened(layer.name, int((LANE - 20) / LETTERS) - len(layer.type) - 1)
    card = escape("\n".join(_card_lines(layer, match, compared)), quote=True)
    return (
        f'<g class="box {_state(match, compared)}" data-layer="{escape(match.first.name, quote=True)}" data-card="{card}">'
        f'<rect x="{x + 0.5}" y="{y + 0.5}" width="{LANE - 1}" height="{BOX - 1}" rx="5"/>'
        f'<text x="{x + 9}" y="{y + BOX / 2}">{escape(name)}</text>'
        f'<text class="type" x="{x + LANE - 9}" y="{y + BOX / 2}">{escape(layer.type)}</text></g>'
    )


def _card_lines(layer: Layer, match: Match, compared: Compared) -> Iterator[str]:
    """What the card of a box says."""
    bottoms = ", ".join(layer.message.bottom)
    yield f"{layer.name}: {layer.type}({bottoms})" if bottoms else f"{layer.name}: {layer.type}"
    changes = compared.changes.get(match, [])
    for change in changes:
        yield f"{change.what}\t{change.before}\t{change.after}"
    if not changes:
        yield {"inserted": "only here", "removed": "only here"}.get(_state(match, compared), "the same in both")


def _line(left: int, right: int, state: str, match: Match) -> str:
    a, b = ((row + 0.5) * ROW for row in (left, right))
    x, middle, end = LANE, LANE + GAP / 2, LANE + GAP
    name = escape(match.first.name, quote=True)
    return f'<path class="{state}" data-layer="{name}" d="M{x} {a} C{middle} {a} {middle} {b} {end} {b}"/>'


def _shortened(name: str, letters: int) -> str:
    return name if len(name) <= letters else f"{name[: max(1, letters // 2 - 1)]}…{name[len(name) - letters // 2 :]}"
