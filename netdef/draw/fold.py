"""A drawing in units: stages between two points where one blob goes on; units that repeat are drawn once."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

from netdef.draw.stages import Drawing, Stage, Wire
from netdef.graph.blocks import Block, Repeat, blocks, repeats
from netdef.graph.layer import Layer

FEWEST = 3  # stages that are worth to be drawn once for several


@dataclass(eq=False)
class Unit:
    """Stages that are drawn together.

    Attributes
    ----------
    name: of the layer where its ways meet again; "" where it has none.
    count: how many times it stands in the net, one after the other.
    """

    stages: list[Stage]
    name: str = ""
    count: int = 1

    @property
    def title(self) -> str:
        return f"{self.name} × {self.count}" if self.count > 1 else self.name


def units_of(drawing: Drawing) -> tuple[Drawing, list[Unit]]:
    """The drawing with stages that repeat drawn once, which have the others in `same`; and its units in order."""
    stage_of = {layer: stage for stage in drawing.stages for layer in stage.layers}
    first_of: dict[Stage, Stage] = {}  # of a stage that is not drawn, the one that stands for it
    turn: dict[Stage, tuple[Unit, int]] = {}
    units: list[Unit] = []
    for repeat in repeats(blocks(drawing.net)):
        period = len(repeat.blocks)
        turns = [_stages(repeat.all[at : at + period], stage_of, turn) for at in range(0, len(repeat.all), period)]
        own = turns[0]
        if len(own) < FEWEST or any(len(again) != len(own) for again in turns):
            turns = [[stage for again in turns for stage in again]]
        units.append(unit := Unit(turns[0], _name(repeat, len(turns)), len(turns)))
        for number, again in enumerate(turns):
            turn.update((stage, (unit, number)) for stage in again)
            for first, stage in zip(turns[0], again, strict=True) if number else ():
                first.same.append(stage)
                first_of[stage] = first
    folded = Drawing(drawing.net, drawing.whole, [stage for stage in drawing.stages if stage not in first_of], [])
    wires: dict[tuple[Stage, Stage], Wire] = {}
    for wire in drawing.wires:
        if turn[wire.source][0] is turn[wire.target][0] and turn[wire.source][1] != turn[wire.target][1]:
            continue  # from one time to the next
        ends = first_of.get(wire.source, wire.source), first_of.get(wire.target, wire.target)
        wires.setdefault(ends, Wire(*ends, wire.blob, wire.apart, wire.sent))
    folded.wires = list(wires.values())
    return folded, [unit for unit in units if unit.stages]


def _stages(found: Sequence[Block], stage_of: Mapping[Layer, Stage], taken: Container[Stage]) -> list[Stage]:
    """The stages of some blocks in order, but for those that stand in a unit already."""
    members = dict.fromkeys(stage_of[layer] for block in found for layer in block.layers if layer in stage_of)
    return [stage for stage in members if stage not in taken]


def _name(repeat: Repeat, times: int) -> str:
    joins = [layer.name for block in repeat.blocks if block.branches for layer in block.layers if len(layer.bottoms) > 1]
    if joins:
        return joins[-1]
    return repeat.blocks[-1].layers[0].name if times > 1 else ""
