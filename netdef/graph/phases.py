"""Which layers of a file take part: its `state`, and the layers' include and exclude rules."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from netdef.language.diagnostics import NetdefError
from netdef.schema import TRAIN

PHASES = ("train", "test")


@dataclass(frozen=True)
class State:
    """The circumstances that rules ask about."""

    phase: str
    level: int
    stages: frozenset[str]


def phase_name(value: int) -> str:
    """The enum Phase as "train" or "test"."""
    return "train" if value == TRAIN else "test"


def state_of(message: Any, phase: str | None) -> State:
    """The state that a NetParameter asks for, in `phase` if given.

    Raises
    ------
    NetdefError: a phase that is neither "train" nor "test".
    """
    if phase is not None and phase.lower() not in PHASES:
        raise NetdefError(f"there is no phase {phase!r}", hint='phases are "train" and "test"')
    state = message.state
    name = phase.lower() if phase else phase_name(state.phase)
    return State(name, state.level, frozenset(state.stage))


def meets(rule: Any, state: State) -> bool:
    """Whether everything that a NetStateRule states holds."""
    return (
        (not rule.HasField("phase") or phase_name(rule.phase) == state.phase)
        and (not rule.HasField("min_level") or state.level >= rule.min_level)
        and (not rule.HasField("max_level") or state.level <= rule.max_level)
        and all(stage in state.stages for stage in rule.stage)
        and not any(stage in state.stages for stage in rule.not_stage)
    )


def stages_wanted(layer: Any, state: State) -> list[str]:
    """The stages for lack of which alone a layer does not take part: those of its first include rule of which that is true."""
    for rule in layer.include:
        wanted = [stage for stage in rule.stage if stage not in state.stages]
        if wanted and meets(rule, replace(state, stages=state.stages | {*wanted})):
            return wanted
    return []


def takes_part(layer: Any, state: State) -> bool:
    """Whether a LayerParameter is in the net: one include rule met, or no exclude rule met."""
    if len(layer.include):
        return any(meets(rule, state) for rule in layer.include)
    return not any(meets(rule, state) for rule in layer.exclude)
