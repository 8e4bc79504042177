"""A Difference for people, in about a screen."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from netdef.diff.compare import COSTS, HEADS
from netdef.diff.difference import Difference
from netdef.diff.finding import Facts, Finding, Row, summed
from netdef.diff.solvers import SolverDifference
from netdef.diff.weights import WeightsDifference
from netdef.graph.net import Totals
from netdef.language.units import binary, decimal, thousands

WIDTH = 120  # columns where no terminal says otherwise
NARROWEST = 40  # columns that a line is given at the least
OWN_LINE = 4  # columns left of a row whose name is in the line above
ARROW = " -> "


@dataclass(frozen=True)
class Sheet:
    """The output: whether it has colours, and how many columns."""

    colour: bool = False
    width: int = WIDTH

    def paint(self, text: str, **style: object) -> str:
        """A text in colours, or as it is."""
        if not self.colour or not text:
            return text
        import click

        return click.style(text, **style)  # type: ignore[arg-type]

    def pair(self, before: str, arrow: str, after: str) -> str:
        """Two values, the first net's and the second's."""
        return f"{self.paint(before, fg='red')}{arrow}{self.paint(after, fg='green')}"

    def wrapped(self, text: str, indent: str = "  ") -> list[str]:
        """A text over as many lines as it needs."""
        return textwrap.wrap(
            text, max(self.width, NARROWEST), subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
        ) or [text]  # fmt: skip


def render(difference: Difference, sheet: Sheet | None = None) -> str:
    """The text of `netdef diff`."""
    sheet = sheet or Sheet()
    if not difference:
        same = f"{difference.before}{ARROW}{difference.after}: no differences in {difference.phases}"
        return "\n".join([same, *difference.notes])
    lines = [f"{sheet.pair(difference.before, ARROW, difference.after)}, {difference.phases}", *difference.notes]
    for section in difference.sections:
        if section.phase:
            lines += ["", sheet.paint(f"Only in the {section.phase} phase", underline=True)]
        lines += finding_lines(section.findings, sheet)
    totals = _totals(difference, difference.totals, sheet) if difference.totals else []
    return "\n".join([*lines, *totals])


def render_findings(difference: SolverDifference | WeightsDifference, sheet: Sheet | None = None) -> str:
    """The text of a diff of solvers or of weights."""
    sheet = sheet or Sheet()
    names = sheet.pair(difference.before, ARROW, difference.after)
    return "\n".join([f"{names}: {difference.subject}", *finding_lines(difference.findings, sheet)])


def finding_lines(findings: Sequence[Finding], sheet: Sheet) -> Iterator[str]:
    """Lines for each finding, an empty one before it."""
    for finding in findings:
        yield ""
        yield from (sheet.paint(line, bold=True) for line in sheet.wrapped(finding.title))
        for line in finding.lines:
            yield from sheet.wrapped(f"  {line}", "    ")
        yield from _rows(finding.rows, sheet)
        yield from _facts(finding, sheet)


def _rows(rows: Sequence[Row], sheet: Sheet) -> list[str]:
    """Who, what, and both values; layers that change alike stand together, each group once."""
    if not rows:
        return []
    who = [", ".join(row.who) for row in rows]
    widths = min(sheet.width // 3, max(map(len, who))), max(len(row.what) for row in rows)
    before = max(len(row.before) for row in rows)
    before = before if before <= 30 else 0
    lines, last = [], None
    for name, row in zip(who, rows, strict=True):
        shown = name if name != last else ""
        last = name
        lead = f"  {shown.ljust(widths[0])}  " if widths[0] else "  "
        if len(shown) > widths[0]:
            lines += sheet.wrapped(f"  {shown}")
            lead = " " * (widths[0] + 4)
        lines.append(f"{lead}{row.what.ljust(widths[1])}  {sheet.pair(row.before.ljust(before), ARROW, row.after)}")
    return lines


def _facts(finding: Finding, sheet: Sheet) -> list[str]:
    """A row for each layer, a column for each kind of fact; the sums below."""
    facts = summed(finding)
    kinds = [kind for kind in HEADS if any(kind in one.cells for one in facts)]
    if not kinds:
        return [f"  {one.who}" for one in facts]
    columns = {kind: _column([one.cells.get(kind) for one in facts], kind) for kind in kinds}
    sums = {kind: _more(kind, number) for kind, number in finding.costs.items()} if len(facts) > 1 else {}
    widths = {kind: max(len(HEADS[kind]), len(sums.get(kind, "")), *map(_length, columns[kind])) for kind in kinds}
    room = sheet.width - sum(widths.values()) - 2 * len(kinds)
    lead = max(map(len, (*(one.who for one in facts), "in all" if sums else ""))) + 2
    if lead > room:
        lead = OWN_LINE
        changed = all(before and after for one in facts for before, after in one.cells.values())
        if lead > room or changed:  # what changed reads better one below the other
            return _stacked(facts, kinds, sums, sheet)
    return _side_by_side(facts, columns, widths, sums, lead, sheet)


def _side_by_side(
    facts: Sequence[Facts],
    columns: dict[str, list[tuple[str, str, str]]],
    widths: dict[str, int],
    sums: dict[str, str],
    lead: int,
    sheet: Sheet,
) -> list[str]:
    """A table with the names in the first `lead` columns; those that do not fit stand on lines of their own."""
    heads = "  ".join(HEADS[kind].ljust(width) for kind, width in widths.items())
    lines = [sheet.paint(f"{' ' * lead}  {heads}".rstrip(), dim=True)]
    for index, one in enumerate(facts):
        row = [(columns[kind][index], width) for kind, width in widths.items()]
        cells = "  ".join(sheet.pair(*cell) + " " * (width - _length(cell)) for cell, width in row)
        who = f"  {one.who}"
        if len(who) > lead:
            lines.append(who)
            who = ""
        lines.append(f"{who.ljust(lead)}  {cells}".rstrip())
    if sums:
        cells = "  ".join(sums.get(kind, "").rjust(_length(columns[kind][0])).ljust(width) for kind, width in widths.items())
        line, who = f"{' ' * lead}  {cells}".rstrip(), "  in all"
        over = [f"{who}{line[len(who) :]}"] if line.startswith(" " * len(who)) else [who, line]
        lines += [sheet.paint(one, fg="cyan") for one in over]
    return lines


def _length(cell: tuple[str, str, str]) -> int:
    return sum(map(len, cell))


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


def _stacked(facts: Sequence[Facts], kinds: Sequence[str], sums: dict[str, str], sheet: Sheet) -> list[str]:
    """One fact a line, where they do not fit side by side."""
    name = max(map(len, (*(one.who for one in facts), "in all" if sums else "")))
    name = name if name <= sheet.width // 3 else 2
    what = max(len(HEADS[kind]) for kind in kinds)
    cells = [(one.who, kind, *one.cells[kind]) for one in facts for kind in kinds if kind in one.cells]
    before = max(len(a or "") for _, _, a, b in cells if b) if any(b for *_, b in cells) else 0
    lines: list[str] = []
    last = None

    def line(who: str, kind: str, values: str) -> None:
        nonlocal last
        shown = who if who != last else ""
        last = who
        if len(shown) > name:
            lines.append(f"  {shown}")
            shown = ""
        lines.append(f"  {shown.ljust(name)}  {HEADS[kind].ljust(what)}  {values}")

    for who, kind, a, b in cells:
        line(who, kind, sheet.pair(a.ljust(before), ARROW, b) if a and b else sheet.pair(a or "", "", b or ""))
    for kind, text in sums.items():
        line("in all", kind, sheet.paint(text, fg="cyan"))
    return lines


def _more(kind: str, number: int) -> str:
    """A sum of costs in words: 1,413,120 more."""
    return f"{COSTS[kind](abs(number))} {'more' if number > 0 else 'less'}"


def _totals(difference: Difference, totals: tuple[Totals, Totals], sheet: Sheet) -> list[str]:
    """The sums of both nets, in the phase and with the batches that they are of; an empty line before them."""
    old, new = totals
    title = f"Totals, {difference.totals_of}"
    if old == new:
        return ["", sheet.paint(f"{title}: the same", bold=True)]
    rows: tuple[tuple[str, int, int, Callable[[int], str]], ...] = (
        ("parameters", old.parameters, new.parameters, thousands),
        ("statistics", old.statistics, new.statistics, thousands),
        ("MACs/image", old.macs, new.macs, decimal),
        ("activations", old.activation_bytes, new.activation_bytes, binary),
    )
    texts = [(what, text(a), text(b), _change(a, b, text)) for what, a, b, text in rows if what != "statistics" or a or b]
    widths = [max(len(row[column]) for row in texts) for column in range(3)]
    lines = ["", sheet.paint(title, bold=True)]
    for what, a, b, more in texts:
        lines.append(f"  {what.ljust(widths[0])}  {sheet.pair(a.rjust(widths[1]), ARROW, b.rjust(widths[2]))}   {more}".rstrip())
    return lines


def _change(before: int, after: int, text: Callable[[int], str]) -> str:
    if before == after:
        return "the same"
    sign = "+" if after > before else "-"
    return f"{sign}{text(abs(after - before))}{f' ({percent(before, after)})' if before else ''}"


def percent(before: int, after: int) -> str:
    """+2.3 %: how much more, in two figures; never all (-100 %) or nothing (0 %) where something is left or changed."""
    share = 100 * (after - before) / before
    if after >= 10 * before:
        return f"{after / before:,.0f} times"
    if abs(share) < 0.01:
        return "less than 0.01 %"
    digits = 0 if abs(share) >= 10 else 1 if abs(share) >= 1 else 2
    while float(f"{share:.{digits}f}") == -100 and after:
        digits += 1
    return f"{share:+.{digits}f} %"
