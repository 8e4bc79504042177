"""All that distinguishes two nets, layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from netdef.diff.align import Match, align
from netdef.diff.settings import Change, changed, compared
from netdef.graph.layer import Blob, Layer
from netdef.graph.net import Net, Totals
from netdef.graph.shape import shape_text
from netdef.graph.towers import towers
from netdef.language.units import binary, decimal, plural, thousands
from netdef.shapes import output_text

COSTS = {"parameters": thousands, "statistics": thousands, "macs": decimal, "activations": binary}  # how each is written
COUNTS: dict[str, Callable[[Layer], int]] = {
    "parameters": lambda layer: layer.parameter_count,
    "statistics": lambda layer: layer.statistic_count,
    "macs": lambda layer: layer.macs,
    "activations": lambda layer: layer.activation_bytes,
}
HEADS = {
    "output": "output", "weights": "weights", "parameters": "parameters", "statistics": "statistics", "macs": "MACs/image",
    "activations": "activations",
}  # fmt: skip
FACTS = tuple(HEADS)  # kinds of changes that follow from others, and what they are called


@dataclass
class Compared:
    """Two nets in one phase: how their layers match, and in what each match differs. Not `sized`: but for shapes and costs."""

    before: Net
    after: Net
    matches: list[Match]
    changes: dict[Match, list[Change]]
    net: list[Change] = field(default_factory=list)
    swapped: list[tuple[tuple[Match, ...], tuple[Match, ...]]] = field(default_factory=list)  # runs in another order
    sized: bool = True

    def __bool__(self) -> bool:
        """Whether there is any difference."""
        return bool(self.net or any(self.changes.values()) or any(not (m.before and m.after) for m in self.matches))

    @property
    def totals(self) -> tuple[Totals, Totals]:
        return self.before.totals, self.after.totals


def compare_nets(before: Net, after: Net, known: Iterable[Match] = (), sized: bool = True) -> Compared:
    """What changes from one net to the other. `known`: how their layers are matched in another phase."""
    matches = align(before, after, known)
    result = Compared(before, after, matches, {}, sized=sized)
    if before.force_backward != after.force_backward:
        values = before.force_backward, after.force_backward
        result.net.append(changed("force_backward", (str(value).lower() for value in values), values=values))
    wiring = _Wiring(matches, (before, after))
    facts = _Facts(before, after)
    for match in matches:
        if match.before and match.after:
            found = [*_identity(match), *wiring.changes(match), *_settings(match, sized)]
            result.changes[match] = [*found, *facts.changes(match)] if sized else found
    return result


def _identity(match: Match) -> Iterator[Change]:
    a, b = match.before, match.after
    if len(a) == len(b) == 1 and a[0].name != b[0].name:
        yield Change("name", a[0].name, b[0].name, "name", (a[0].name, b[0].name))
    if len(a) != len(b):
        yield changed("towers", (plural(len(side), "layer") for side in (a, b)), "towers", map(len, (a, b)))
    if a[0].type != b[0].type:
        yield Change("type", a[0].type, b[0].type, "type", (a[0].type, b[0].type))


def _settings(match: Match, sized: bool) -> Iterator[Change]:
    """Settings in which a layer differs; of towers that are one layer in the other net, each is compared, outputs in all."""
    several = len(match.before) != len(match.after)
    takes_all = any(getattr(side[0], "global_pooling", False) for side in (match.before, match.after))
    for change in compared(match.before[0], match.after[0]):
        if change.what == "kernel" and takes_all and not sized:
            continue  # as large as the image
        if several and change.what in ("num_output", "group"):
            continue
        yield change


class _Wiring:
    """What each layer reads, as matches: the name of a blob makes no difference, nor does a layer that came or went between."""

    def __init__(self, matches: Iterable[Match], nets: tuple[Net, Net]):
        self.of: dict[Layer, Match] = {}
        for match in matches:
            for layer in (*match.before, *match.after):
                self.of[layer] = match
        self.seen: dict[Layer, tuple[tuple[Match, int], ...]] = {}  # of the layers that only one net has
        for net in nets:
            for layer in net.layers:
                match = self.of[layer]
                if not (match.before and match.after):
                    self.seen[layer] = self.sources(layer) or ((match, 0),)

    def changes(self, match: Match) -> Iterator[Change]:
        a, b = match.before, match.after
        sides = [list(dict.fromkeys(s for layer in side for s in self.sources(layer))) for side in (a, b)]
        if sides[0] != sides[1]:
            names = [list(dict.fromkeys(name for layer in side for name in layer.message.bottom)) for side in (a, b)]
            if names[0] == names[1]:  # of one name, before and after what works on it in place
                names = [list(dict.fromkeys(_made(blob) for layer in side for blob in layer.bottoms)) for side in (a, b)]
            yield changed("bottom", (", ".join(side) or "none" for side in names), "wiring", names)
        if len(a) == len(b) == 1:
            if a[0].in_place != b[0].in_place and len(a[0].tops) == len(b[0].tops):
                in_place = all(a[0].in_place), all(b[0].in_place)
                yield changed("in place", ("yes" if one else "no" for one in in_place), "place", in_place)
            if len(a[0].tops) != len(b[0].tops):
                names = [list(layer.message.top) for layer in (a[0], b[0])]
                yield changed("top", (", ".join(side) or "none" for side in names), "wiring", names)

    def sources(self, layer: Layer) -> tuple[tuple[Match, int], ...]:
        """The (match, top) that a layer reads; through a layer that only one of the nets has, what that one reads."""
        found: dict[tuple[Match, int], None] = {}
        for bottom in layer.bottoms:
            maker = bottom.producer
            match = self.of[maker]
            if match.before and match.after:
                found[match, bottom.index] = None
            else:
                found.update(dict.fromkeys(self.seen[maker]))
        return tuple(found)


def _made(blob: Blob) -> str:
    """What a layer reads, with the layer that makes it so."""
    return f"{blob.name} of {blob.producer.name}"


class _Facts:
    """What follows from the settings: shapes, weights and costs."""

    def __init__(self, before: Net, after: Net):
        self.batches = before.batch, after.batch
        self.groups = towers(before), towers(after)

    def changes(self, match: Match) -> Iterator[Change]:
        sides = match.before, match.after
        if len(match.before) == len(match.after):
            yield from self._output(match.before[0], match.after[0])
        shapes = [[parameter.shape for parameter in side[0].parameters] for side in sides]
        if shapes[0] != shapes[1] or (shapes[0] and len(match.before) != len(match.after)):
            pairs = list(zip(*shapes, strict=False))
            alike = len(shapes[0]) == len(shapes[1]) and len(match.before) == len(match.after)
            shown = [i for i, (x, y) in enumerate(pairs) if x != y] if alike else None
            texts = [weights_text(side, shown) for side in sides]
            if texts[0] != texts[1]:
                values = [[list(shape) for shape in side] for side in shapes]
                yield changed("weights", texts, "weights", values)
        for kind, count in COUNTS.items():
            counts = [sum(map(count, side)) for side in sides]
            if kind == "activations" and self.batches[0] != self.batches[1]:
                continue  # as large as the batch, which is the data layers' difference
            if counts[0] != counts[1]:
                yield changed(HEADS[kind], map(COSTS[kind], counts), kind, counts)

    def _output(self, a: Layer, b: Layer) -> Iterator[Change]:
        plain, drawn = (
            [
                " and ".join(output_text(top.shape, groups[top] if runs else 1, batch) for top in layer.tops)
                for layer, groups, batch in zip((a, b), self.groups, self.batches, strict=True)
            ]
            for runs in (False, True)
        )
        if plain[0] != plain[1]:
            shapes = [[list(top.shape) if top.is_sized else None for top in layer.tops] for layer in (a, b)]
            yield changed("output", drawn, "output", shapes)


def weights_text(layers: tuple[Layer, ...], shown: list[int] | None = None) -> str:
    """The shapes of a layer's parameters, or of those `shown`; of several towers, how many there are of them."""
    parameters = layers[0].parameters
    chosen = parameters if shown is None else [parameters[index] for index in shown]
    text = " + ".join(shape_text(parameter.shape) for parameter in chosen) or "none"
    return f"{len(layers)} of {text}" if len(layers) > 1 else text
