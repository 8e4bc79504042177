"""A Difference for people, in about a screen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netdef.diff.difference import Difference
from netdef.diff.findings import COSTS, Facts, Finding, Row
from netdef.units import binary, decimal, thousands

WIDTH = 120
HEADS = {"output": "output", "weights": "weights", "parameters": "parameters", "macs": "MACs/image", "activations": "activations"}
ARROW = " -> "

Paint = Callable[..., str]


def render(difference: Difference, colour: bool = False) -> str:
    """The text of `netdef diff`; with `colour` for a terminal."""
    paint = painter(colour)
    before, after = difference.before, difference.after
    if not difference:
        return "\n".join([f"{before}{ARROW}{after}: no differences in {difference.phases}", *difference.notes])
    lines = [f"{paint(before, fg='red')}{ARROW}{paint(after, fg='green')}, {difference.phases}", *difference.notes]
    for section in difference.sections:
        if section.phase:
            lines += ["", paint(f"In the {section.phase} phase alone", underline=True)]
        for finding in section.findings:
            lines += ["", *_finding(finding, paint)]
    return "\n".join([*lines, "", *_totals(difference, paint)])


def painter(colour: bool) -> Paint:
    """What sets a text in colours, or leaves it as it is."""
    return _painted if colour else _plain


def _plain(text: str, **_: object) -> str:
    return text


def _painted(text: str, **style: object) -> str:
    import click

    return click.style(text, **style)  # type: ignore[arg-type]


def _finding(finding: Finding, paint: Paint) -> list[str]:
    lines = [paint(line, bold=True) for line in _wrapped(finding.title, "  ")]
    for line in finding.lines:
        lines += _wrapped(f"  {line}", "  ")
    lines += row_lines(finding.rows, paint)
    lines += _facts(finding, paint)
    return lines


def _wrapped(text: str, indent: str) -> list[str]:
    import textwrap

    return textwrap.wrap(text, WIDTH, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False) or [text]


def row_lines(rows: Sequence[Row], paint: Paint) -> list[str]:
    """Who, what, and both values; layers that change alike stand together, each group once."""
    if not rows:
        return []
    who = [", ".join(row.who) for row in rows]
    widths = min(40, max(map(len, who))), max(len(row.what) for row in rows)
    before = max(len(row.before) for row in rows)
    before = before if before <= 30 else 0
    lines, last = [], None
    for name, row in zip(who, rows, strict=True):
        shown = name if name != last else ""
        last = name
        lead = f"  {shown.ljust(widths[0])}  " if widths[0] else "  "
        if len(shown) > widths[0]:
            lines += _wrapped(f"  {shown}", "  ")
            lead = " " * (widths[0] + 4)
        values = f"{paint(row.before.ljust(before), fg='red')}{ARROW}{paint(row.after, fg='green')}"
        lines.append(f"{lead}{row.what.ljust(widths[1])}  {values}")
    return lines


def _facts(finding: Finding, paint: Paint) -> list[str]:
    """A row for each layer, a column for each kind of fact; the sums below."""
    facts = finding.facts
    kinds = [kind for kind in HEADS if any(kind in one.cells for one in facts)]
    if not kinds:
        return [f"  {one.who}" for one in facts]
    columns = {kind: _column([one.cells.get(kind) for one in facts], kind) for kind in kinds}
    who = max(len(one.who) for one in facts)
    sums = {kind: _saved(kind, number) for kind, number in finding.costs.items()} if len(facts) > 1 else {}
    widths = {}
    for kind in kinds:
        lengths = [sum(map(len, cell)) for cell in columns[kind]]
        widths[kind] = max(len(HEADS[kind]), len(sums.get(kind, "")), *lengths)
    if 2 + who + sum(widths.values()) + 2 * len(kinds) > WIDTH:
        return _stacked(facts, kinds, paint)
    lines = [f"  {''.ljust(who)}  " + "  ".join(HEADS[kind].ljust(widths[kind]) for kind in kinds)]
    for index, one in enumerate(facts):
        cells = []
        for kind in kinds:
            before, arrow, after = columns[kind][index]
            space = " " * (widths[kind] - len(before) - len(arrow) - len(after))
            cells.append(f"{paint(before, fg='red')}{arrow}{paint(after, fg='green')}{space}")
        lines.append(f"  {one.who.ljust(who)}  {'  '.join(cells)}".rstrip())
    if sums:
        cells = [sums.get(kind, "").rjust(sum(map(len, columns[kind][0]))).ljust(widths[kind]) for kind in kinds]
        lines.append(paint(f"  {'in all'.ljust(who)}  {'  '.join(cells)}".rstrip(), fg="cyan"))
    lines[0] = paint(lines[0].rstrip(), dim=True)
    return lines


def _column(cells: Sequence[tuple[str | None, str | None] | None], kind: str) -> list[tuple[str, str, str]]:
    """(before, arrow, after) of each cell, aligned; numbers to the right."""
    befores = [cell[0] or "" if cell else "" for cell in cells]
    afters = [cell[1] or "" if cell else "" for cell in cells]
    left, right = max(map(len, befores)), max(map(len, afters))
    result = []
    for before, after in zip(befores, afters, strict=True):
        arrow = ARROW if before and after else " " * (len(ARROW) if left and right else 0)
        if kind in COSTS:
            result.append((before.rjust(left), arrow, after.rjust(right)))
        else:
            result.append((before.ljust(left), arrow, after.ljust(right)))
    return result


def _stacked(facts: Sequence[Facts], kinds: Sequence[str], paint: Paint) -> list[str]:
    """One fact a line, where they do not fit side by side."""
    rows = []
    for one in facts:
        for kind in kinds:
            if kind in one.cells:
                before, after = one.cells[kind]
                rows.append(Row((one.who,), HEADS[kind], before or "", after or ""))
    return row_lines(rows, paint)


def _saved(kind: str, number: int) -> str:
    """A sum of costs in words: costs 1,413,120 more."""
    text = COSTS[kind](abs(number))
    return f"{text} more" if number > 0 else f"{text} less"


def _totals(difference: Difference, paint: Paint) -> list[str]:
    """The sums of both nets."""
    old, new = difference.totals
    rows = (
        ("parameters", old.parameters, new.parameters, thousands),
        ("MACs/image", old.macs, new.macs, decimal),
        ("activations", old.activation_bytes, new.activation_bytes, binary),
    )
    if old == new:
        return [paint("Totals: the same", bold=True)]
    lines = [paint("Totals", bold=True)]
    texts = [(what, text(a), text(b), _percent(a, b, text)) for what, a, b, text in rows]
    widths = [max(len(row[column]) for row in texts) for column in range(3)]
    for what, a, b, more in texts:
        values = f"{paint(a.rjust(widths[1]), fg='red')}{ARROW}{paint(b.rjust(widths[2]), fg='green')}"
        lines.append(f"  {what.ljust(widths[0])}  {values}   {more}".rstrip())
    return lines


def _percent(before: int, after: int, text: Callable[[int], str]) -> str:
    if before == after:
        return "the same"
    sign = "+" if after > before else "-"
    share = f" ({100 * (after - before) / before:+.{0 if abs(after - before) > 0.1 * before else 1}f} %)" if before else ""
    return f"{sign}{text(abs(after - before))}{share}"
