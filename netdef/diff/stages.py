"""Repeated blocks that one net has more of, stage by stage: 17 bottlenecks more (6 -> 23)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from netdef.graph.blocks import Block, blocks, stage_numbers
from netdef.graph.layer import Layer
from netdef.graph.net import Net
from netdef.graph.shape import Shape, shape_text
from netdef.language.units import plural

RUNS, LAYERS = 4, 4  # that are named


def more_blocks(fewer: Net, more: Net, lone: Iterable[Layer], came: bool = True) -> tuple[list[str], list[Layer]]:
    """A line for each stage of which a net has more blocks, with how many both have; and the layers that only it has otherwise.

    Parameters
    ----------
    lone: the layers of `more` that `fewer` does not have. came: whether `more` is the second net.
    """
    numbers, left, lines = stage_numbers(more), list(lone), []
    counts = Counter(block.shape for block in _branching(fewer))
    for shape, members in _by_shape(_branching(more)).items():
        extra = len(members) - counts[shape]
        # Which of some equal blocks have come is not for layers to say: as many as there are more, of the kind that most are.
        usual = Counter(frozenset(block.types.items()) for block in members).most_common(1)[0][0]
        wanted = Counter({kind: count * extra for kind, count in dict(usual).items()})
        alone = Counter(layer.type for layer in left if layer in {one for block in members for one in block.layers})
        if extra <= 0 or not counts[shape] or wanted - alone:
            continue
        noun = next(block.noun for block in members if frozenset(block.types.items()) == usual)
        taken = [block for block in members if all(layer in left for layer in block.layers)]
        names = f": {_name(taken[0])} to {_name(taken[-1])}" if len(taken) == extra > 1 else ""
        stage = f"stage {numbers[shape[1:]]}: " if shape[1:] in numbers else ""
        counted = f"more ({counts[shape]} -> {len(members)})" if came else f"fewer ({len(members)} -> {counts[shape]})"
        lines.append(f"{stage}{plural(extra, noun)} {counted}, of {shape_text(shape)} each{names}")
        left = list(_without(left, wanted, members))
    return lines, left


def _branching(net: Net) -> list[Block]:
    return [block for block in blocks(net) if block.branches]


def _by_shape(found: Sequence[Block]) -> dict[Shape, list[Block]]:
    shapes: dict[Shape, list[Block]] = {}
    for block in found:
        shapes.setdefault(block.shape, []).append(block)
    return shapes


def _name(block: Block) -> str:
    """The layer that joins its ways."""
    return next(layer.name for layer in reversed(block.layers) if len(layer.bottoms) > 1)


def _without(layers: list[Layer], counts: Counter[str], members: Sequence[Block]) -> Iterator[Layer]:
    """The layers but so many of each type that stand in some blocks."""
    inside, counts = {layer for block in members for layer in block.layers}, Counter(counts)
    for layer in layers:
        if layer in inside and counts[layer.type] > 0:
            counts[layer.type] -= 1
        else:
            yield layer


def where(net: Net, lone: Iterable[Layer]) -> list[str]:
    """Lines that say where layers stand which only one net has: each run of them by the layer before it."""
    alone, found, run = set(lone), list[str](), list[Layer]()
    before = ""
    for layer in [*net.layers, None]:
        if layer is not None and layer in alone:
            run.append(layer)
            continue
        if len(run) > 1 or any(all(one.in_place) and not one.parameters for one in run):
            names = [one.name for one in run]
            text = ", ".join(names) if len(run) <= LAYERS else f"{len(run)} layers, {names[0]} to {names[-1]}"
            found.append(f"{f'after {before}' if before else 'at the start'}: {text}")
        run, before = [], layer.name if layer is not None else ""
    return found if len(found) <= RUNS else []  # of many, the places say nothing
