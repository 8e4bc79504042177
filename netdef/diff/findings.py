"""What changed between two nets as a person would say it: differences of layers gathered under what they mean."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from netdef.diff.align import Match
from netdef.diff.compare import FACTS, Compared
from netdef.diff.finding import MANY, Facts, Finding, Row, label, listed, lone_facts, written
from netdef.diff.order import Reordered, reordered
from netdef.diff.renames import renamed
from netdef.diff.settings import Change
from netdef.diff.stages import more_blocks, where
from netdef.graph.layer import LAYERS, Layer
from netdef.language.units import plural

FRACTIONS = {2: "half", 3: "a third", 4: "a quarter"}


def findings(compared: Compared) -> list[Finding]:
    """All changes, each reported once, the largest first."""
    return _Story(compared).tell()


class _Story:
    """Takes changes from a heap until nothing is left; `left` holds what is not reported yet of each match."""

    def __init__(self, compared: Compared):
        self.compared = compared
        self.left = {match: list(changes) for match, changes in compared.changes.items()}
        self.lone = [match for match in compared.matches if not (match.before and match.after)]
        self.found: list[Finding] = []

    def tell(self) -> list[Finding]:
        self.towers()
        self.joined()
        for name, runs in _alike(reordered(self.compared.matches)):
            self.swapped(name, runs)
        self.replaced()
        self.came_or_went()
        self.settings()
        self.follows()
        self.renamed()
        if self.compared.net:
            rows = [Row((), change.what, change.before, change.after, change.values) for change in self.compared.net]
            self.add("net", "The net as a whole", rows=rows)
        return self.found

    def add(self, kind: str, title: str, matches: Iterable[Match] = (), **details: Any) -> None:
        self.found.append(Finding(kind, title, tuple(label(match) for match in matches), **details))

    def take(self, match: Match, *kinds: str, what: str = "") -> list[Change]:
        """Changes of these kinds, which count as reported from now on."""
        changes = self.left.get(match, [])
        taken = [change for change in changes if change.kind in kinds and (not what or change.what == what)]
        self.left[match] = [change for change in changes if change not in taken]
        return taken

    def facts(self, match: Match, title: str = "") -> list[Facts]:
        """What follows for a layer."""
        changes = self.take(match, *FACTS)
        cells: dict[str, tuple[str | None, str | None]] = {change.kind: (change.before, change.after) for change in changes}
        values = {change.kind: change.values for change in changes}
        return [Facts(title or label(match), cells, values, match.first.type)] if changes else []

    def lone_facts(self, layer: Layer, side: int) -> Facts:
        """The facts of a layer that only one net has."""
        return lone_facts(layer, side) if self.compared.sized else Facts(written(layer), {}, {}, layer.type)

    # What is recognised.

    def towers(self) -> None:
        """Convolutions whose groups became fewer or more."""
        groups: dict[tuple[int, int, bool], list[Match]] = {}
        for match, changes in self.left.items():
            for change in changes:
                if change.what == "group" and change.kind == "setting":
                    before, after = change.values[0] or 1, change.values[1] or 1
                    groups.setdefault((before, after, _reads_as_many(match)), []).append(match)
        for (before, after, as_many), matches in groups.items():
            title = _of_groups(listed([label(match) for match in matches]), len(matches) > 1, before, after, as_many)
            facts = []
            for match in matches:
                self.take(match, "setting", what="group")
                facts += self.facts(match)
            self.add("merged" if after < before else "split", title, matches, facts=facts)

    def joined(self) -> None:
        """Towers that one net writes as layers of their own and the other as one."""
        for fewer, kind, title in ((1, "merged", "Towers merged"), (0, "split", "Split into towers")):
            several = [m for m, changes in self.left.items() if any(change.kind == "towers" for change in changes)]
            matches = [m for m in several if (len(m.after) < len(m.before)) == fewer]
            if not matches:
                continue
            facts, rows = [], []
            glue = [m for m in self.lone if (m.first.joins_towers or m.first.splits_towers) and bool(m.before) == bool(fewer)]
            for match in matches:
                towers, one = (match.before, match.after[0]) if fewer else (match.after, match.before[0])
                group = getattr(one, "group", 1)
                if group == len(towers):
                    rows.append(Row((label(match),), "kept apart by", *_either(fewer, f"{len(towers)} layers", f"group: {group}")))
                facts += self.facts(match)
                self.take(match, "wiring", "towers")
            lines = []
            if glue:
                self.lone = [m for m in self.lone if m not in glue]
                facts += [self.lone_facts(m.first, 1 - fewer) for m in glue]
                names = listed([f"{m.first.name} ({m.first.type})" for m in glue])
                lines.append(f"{'without' if fewer else 'with'} {names}, which the towers need to come together")
            self.add(kind, f"{title}: {listed([label(match) for match in matches])}", matches, facts=facts, rows=rows, lines=lines)

    def swapped(self, types: tuple[tuple[str, ...], tuple[str, ...]], runs: list[Reordered]) -> None:
        """Runs of layers in another order."""
        blobs = listed(list(dict.fromkeys(_blob(run.entry) for run in runs)))
        before, after = ([LAYERS[name].noun or name for name in side] for side in types)
        if len(after) == 2:
            title = f"Swapped after {blobs}: {after[0]} now comes before {after[1]}"
        else:
            title = f"Another order after {blobs}: {', '.join(before)} -> {', '.join(after)}"
        lines: list[str] = []
        facts: list[Facts] = []
        matches: list[Match] = []
        for run in runs:
            for match in {*run.before, *([run.exit] if run.exit else ())}:
                self.take(match, "wiring")
            matches += run.after
            ends = [[run.entry, *side, *([run.exit] if run.exit else [])] for side in (run.before, run.after)]
            ways = [" -> ".join(_name(m, side) for m in end) for side, end in enumerate(ends)]
            lines.append(f"{ways[0]}   is now   {ways[1]}")
            facts += [one for match in run.after for one in self.facts(match)]
        self.add("swapped", title, matches, lines=lines, facts=facts)

    def replaced(self) -> None:
        """Layers of another type at the same position."""
        groups: dict[tuple[str, str], list[Match]] = {}
        for match, changes in self.left.items():
            for change in changes:
                if change.kind == "type":
                    groups.setdefault((change.before, change.after), []).append(match)
        for (before, after), matches in groups.items():
            facts = []
            for match in matches:
                self.take(match, "type")
                facts += self.facts(match)
            names = listed([f"{m.before[0].name} (now {m.after[0].name})" if _renamed(m) else m.after[0].name for m in matches])
            for match in matches:
                self.take(match, "name")
            self.add("replaced", f"{before} is now {after}: {names}", matches, facts=facts)

    def came_or_went(self) -> None:
        for side, kind, title in ((1, "inserted", "Inserted"), (0, "removed", "Removed")):
            net = self.compared.after if side else self.compared.before
            index_of = {layer: index for index, layer in enumerate(net.layers)}
            matches = sorted((m for m in self.lone if m.first in index_of), key=lambda match: index_of[match.first])
            if matches:
                layers = [match.first for match in matches]
                other = self.compared.before if side else self.compared.after
                lines, left = more_blocks(other, net, layers, bool(side)) if len(layers) > MANY else ([], layers)
                lines += where(net, left)
                facts = [self.lone_facts(layer, side) for layer in layers if layer.parameters or not all(layer.in_place)]
                self.add(kind, f"{title}: {listed(_grouped(layers))}", matches, facts=facts, lines=lines)

    def settings(self) -> None:
        """Settings that changed, those that changed alike together."""
        for kind, title in (
            ("setting", "Settings"),
            ("wiring", "What layers read"),
            ("place", "In place"),
            ("constant", "Constants of normalisation"),
            ("initialiser", "Initialisers"),
            ("rate", "Learning rates and decay"),
            ("data", "Data"),
        ):
            rows: dict[tuple[str, str, str], list[Match]] = {}
            values: dict[tuple[str, str, str], tuple[Any, Any]] = {}
            for match in list(self.left):
                for change in self.take(match, kind):
                    key = change.what, change.before, change.after
                    rows.setdefault(key, []).append(match)
                    values[key] = change.values
            if rows:
                made = [Row(tuple(map(label, matches)), *key, values[key]) for key, matches in rows.items()]
                made.sort(key=lambda row: row.who)
                order = list(dict.fromkeys(match for matches in rows.values() for match in matches))
                index_of = {label(match): index for index, match in enumerate(self.left)}
                made.sort(key=lambda row: ([index_of[who] for who in row.who]))
                facts = [one for match in order for one in self.facts(match)] if kind in ("setting", "wiring", "data") else []
                self.add(kind, title, order, rows=made, facts=facts)

    def follows(self) -> None:
        """Layers that are set as they were, with other shapes and costs. What works in place has the shape of what it is given."""
        facts, matches = [], []
        for match in self.left:
            in_place = match.after and all(layer.in_place and all(layer.in_place) for layer in match.after)
            found = self.facts(match)
            if found and not (in_place and not any(layer.parameters for layer in match.after)):
                facts += found
                matches.append(match)
        if facts:
            self.add("follows", "What follows from this", matches, facts=facts)

    def renamed(self) -> None:
        matches = [match for match, changes in self.left.items() if any(change.kind == "name" for change in changes)]
        if matches:
            names = [(match.before[0].name, match.after[0].name) for match in matches]
            self.add("renamed", f"Renamed: {plural(len(names), 'layer')}", matches, lines=renamed(names))


def _reads_as_many(match: Match) -> bool:
    """Whether a kernel of a convolution sees as many channels as before."""
    kernels = [layer.parameters[0].shape[1:] for layer in (match.before[0], match.after[0]) if layer.parameters]
    return len(kernels) == 2 and kernels[0][:1] == kernels[1][:1]


def _of_groups(names: str, several: bool, before: int, after: int, as_many: bool) -> str:
    """What it means that these convolutions have more groups than before, or fewer."""
    verb = "read" if several else "reads"
    groups = f"(group {before} -> {after})"
    if after == 1 and as_many:
        return f"One of {before} towers is left in {names} {groups}"
    if before == 1 and as_many:
        return f"{after} towers in place of one in {names} {groups}"
    if after == 1:
        return f"Towers merged: {names} now {verb} all channels {groups}"
    if before == 1:
        return f"Split into towers: {names} now {verb} only {FRACTIONS.get(after, f'1/{after}')} of the channels {groups}"
    return f"Towers: {names} {groups}"


def _alike(runs: list[Reordered]) -> Iterator[tuple[tuple[tuple[str, ...], tuple[str, ...]], list[Reordered]]]:
    """Runs by the types that they change round."""
    groups: dict[Any, list[Reordered]] = {}
    for run in runs:
        types = tuple(tuple(match.first.type for match in side) for side in (run.before, run.after))
        groups.setdefault(types, []).append(run)
    yield from groups.items()


def _blob(match: Match) -> str:
    """The name of what a layer makes: one that works in place goes by the name of what it works on."""
    return match.first.tops[0].name if match.first.tops else match.first.name


def _name(match: Match, side: int) -> str:
    layers = match.after if side else match.before
    return "+".join(layer.name for layer in layers)


def _renamed(match: Match) -> bool:
    return match.before[0].name != match.after[0].name


def _either(fewer: int, towers: str, group: str) -> tuple[str, str]:
    return (towers, group) if fewer else (group, towers)


def _grouped(layers: list[Layer]) -> list[str]:
    """Names with types, those of one type together: relu1 and relu2 (ReLU); only counts where there are many."""
    groups: dict[str, list[str]] = {}
    for layer in layers:
        groups.setdefault(layer.type, []).append(layer.name)
    if len(layers) > MANY:
        return [f"{len(names)} {kind}" for kind, names in groups.items()]
    return [f"{', '.join(names)} ({kind})" for kind, names in groups.items()]
