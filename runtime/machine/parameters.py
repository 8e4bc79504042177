"""What parameters start with: the numbers of their fillers, or the parameters of another executable."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from netdef.language.diagnostics import NetdefError
from runtime.machine.regions import scattered
from runtime.machine.values import Values
from runtime.ops.random_fill.fillers import fill


def fill_parameters(mine: Values, seed: int) -> None:
    """Fill every parameter as a whole, so that its numbers are the same however it is cut."""
    for owner, regions in mine.buffers.parameters().items():
        array = mine.memory.array(regions[0].buffer)
        here = len(regions) == 1 and regions[0].is_whole and isinstance(array, np.ndarray)
        values = array if here else np.empty(owner.shape, np.float32)
        fill(values, owner.filler, seed, str(owner), owner.layer.position)
        if not here:
            scattered(regions, values, mine.memory.write)


def adopt_parameters(mine: Values, other: Values) -> None:
    """Use the parameters of another executable, by layer name.

    Raises
    ------
    NetdefError: the other has none for one of the layers, or of another shape.
    """
    theirs = {str(owner): (owner, regions) for owner, regions in other.buffers.parameters().items()}
    wanted = mine.buffers.parameters()
    lacking = [owner for owner in wanted if str(owner) not in theirs]
    if lacking:
        names = ", ".join(sorted({owner.layer.name for owner in lacking}))
        raise NetdefError(f"layers of the test net that the training net has no weights for: {names}")
    for owner, regions in wanted.items():
        shared, existing = theirs[str(owner)]
        if shared.shape != owner.shape:
            raise NetdefError(
                f"parameter {owner} has shape {owner.shape} in phase {mine.net.phase} "
                f"and {shared.shape} in phase {other.net.phase}",
                position=owner.layer.position,
            )
        on = {held.buffer.device: held.buffer for held in existing}
        for held in regions:
            mine.memory.adopt(held.buffer, other.memory, on[held.buffer.device])


def share_parameters(mine: Values, other: Values, layers: Collection[str]) -> None:
    """Use the parameters that another executable has for these layers; what is bound to the own ones is bound anew by the caller.

    Raises
    ------
    NetdefError: a layer's parameters have other shapes there.
    """
    for name in layers:
        own, theirs = ([one.owner for one in net.layer(name).parameters] for net in (mine.net, other.net))
        if [one.shape for one in own] != [one.shape for one in theirs]:
            text = f"layer {name} has parameters of shapes {[one.shape for one in theirs]} in net '{other.net.name}'"
            raise NetdefError(f"{text}, and of {[one.shape for one in own]} in net '{mine.net.name}'")
        for parameter, shared in zip(own, theirs, strict=True):
            regions = mine.buffers.parameter(parameter), other.buffers.parameter(shared)
            for held, existing in zip(*regions, strict=True):
                mine.memory.adopt(held.buffer, other.memory, existing.buffer)
