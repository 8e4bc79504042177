"""Two nets over the phases that both have: what differs in all of them, and what in one only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from netdef.diff.align import Match
from netdef.diff.compare import Compared, compare_nets
from netdef.diff.finding import Finding
from netdef.diff.findings import findings
from netdef.diff.settings import Change
from netdef.graph.net import Net, Totals

PHASES = ("test", "train")  # the order in which they are reported


@dataclass
class Section:
    """Findings of one phase, or of all (`phase` empty)."""

    phase: str
    findings: list[Finding]


@dataclass
class Difference:
    """All that distinguishes two nets; false if nothing does."""

    before: str
    after: str
    compared: dict[str, Compared]  # by phase
    sections: list[Section]
    notes: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return any(self.compared.values())

    @property
    def main(self) -> Compared:
        """The phase whose totals are shown."""
        return next(iter(self.compared.values()))

    @property
    def totals(self) -> tuple[Totals, Totals] | None:
        """None where the sizes of the nets are not known."""
        return self.main.totals if self.main.sized else None

    @property
    def totals_of(self) -> str:
        """Such as "test phase, batches of 50"."""
        main = self.main
        batches = list(dict.fromkeys(str(net.batch) for net in (main.before, main.after) if net.batch is not None))
        return f"{main.before.phase} phase" + (f", batches of {' and '.join(batches)}" if batches else "")

    @property
    def phases(self) -> str:
        """Such as "test phase"."""
        names = list(self.compared)
        return f"{' and '.join(names)} {'phase' if len(names) == 1 else 'phases'}"


def difference(before: Mapping[str, Net], after: Mapping[str, Net], names: tuple[str, str], sized: bool = True) -> Difference:
    """What distinguishes two nets, each given in the phases that it has; where not `sized`, all but shapes and costs."""
    phases = [phase for phase in PHASES if phase in before and phase in after]
    compared: dict[str, Compared] = {}
    for phase in phases:
        known = [match for one in compared.values() for match in one.matches]
        compared[phase] = compare_nets(before[phase], after[phase], known, sized)
    if len(phases) == 1:
        sections = [Section("", findings(compared[phases[0]]))]
    else:
        common, *single = _apart(*(compared[phase] for phase in phases))
        sections = [Section("", findings(common))]
        sections += [Section(phase, findings(rest)) for phase, rest in zip(phases, single, strict=True)]
    return Difference(*names, compared, [section for section in sections if section.findings or not section.phase])


def _apart(first: Compared, second: Compared) -> tuple[Compared, Compared, Compared]:
    """What both phases have (with the first one's numbers), and what is left of either."""
    others = {_key(match): match for match in second.matches}
    shared = {match: others[_key(match)] for match in first.matches if _key(match) in others}
    common = Compared(first.before, first.after, list(shared), {}, [change for change in first.net if change in second.net])
    common.sized = first.sized
    rests = []
    for mine, pairs, other in (
        (first, list(shared.items()), second),
        (second, [(b, a) for a, b in shared.items()], first),
    ):
        rest = Compared(mine.before, mine.after, mine.matches, {}, [change for change in mine.net if change not in other.net])
        rest.sized = mine.sized
        partner = dict(pairs)
        rest.matches = [match for match in mine.matches if match not in partner or mine.changes.get(match)]
        for match, changes in mine.changes.items():
            theirs = {_identity(change) for change in other.changes.get(partner[match], [])} if match in partner else set()
            rest.changes[match] = [change for change in changes if _identity(change) not in theirs]
        rests.append(rest)
    for match, counterpart in shared.items():
        if match in first.changes:
            theirs = {_identity(change) for change in second.changes.get(counterpart, [])}
            common.changes[match] = [change for change in first.changes[match] if _identity(change) in theirs]
    for rest in rests:
        rest.matches = [m for m in rest.matches if rest.changes.get(m) or not (m.before and m.after)]
        rest.matches = [m for m in rest.matches if (m.before and m.after) or (m not in shared and m not in shared.values())]
    return common, rests[0], rests[1]


def _key(match: Match) -> Any:
    return tuple(tuple((layer.name, layer.type) for layer in side) for side in (match.before, match.after))


def _identity(change: Change) -> Any:
    """What makes two changes the same: not the bytes, which depend on a phase's batch."""
    return (change.what,) if change.kind == "activations" else (change.what, change.before, change.after)
