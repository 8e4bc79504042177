"""Select the layers of a phase: by the `state` of the file, and the layers' include and exclude rules."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from netdef.language.diagnostics import NetdefError
from netdef.schema import TRAIN

PHASES = ("train", "test")


@dataclass(frozen=True)
class State:
    """What include and exclude rules test."""

    phase: str
    level: int
    stages: frozenset[str]


def phase_name(value: int) -> str:
    """The enum Phase as "train" or "test"."""
    return "train" if value == TRAIN else "test"


def state_of(message: Any, phase: str | None) -> State:
    """The state of a NetParameter, with another phase if `phase` is given.

    Raises
    ------
    NetdefError: a phase that is neither "train" nor "test".
    """
    if phase is not None and str(phase).lower() not in PHASES:
        raise NetdefError(f"there is no phase {phase!r}", hint='phases are "train" and "test"')
    state = message.state
    name = phase.lower() if phase else phase_name(state.phase)
    return State(name, state.level, frozenset(state.stage))


def meets(rule: Any, state: State) -> bool:
    """Whether a state meets all conditions of a NetStateRule."""
    return (
        (not rule.HasField("phase") or phase_name(rule.phase) == state.phase)
        and (not rule.HasField("min_level") or state.level >= rule.min_level)
        and (not rule.HasField("max_level") or state.level <= rule.max_level)
        and all(stage in state.stages for stage in rule.stage)
        and not any(stage in state.stages for stage in rule.not_stage)
    )


def missing_stages(layer: Any, state: State) -> list[str]:
    """The stages that would select a layer if the state had them: those of its first include rule that lacks nothing else."""
    for rule in layer.include:
        wanted = [stage for stage in rule.stage if stage not in state.stages]
        if wanted and meets(rule, replace(state, stages=state.stages | {*wanted})):
            return wanted
    return []


def is_selected(layer: Any, state: State) -> bool:
    """Whether a LayerParameter is in the net of a state: it meets one of the include rules, or none of the exclude rules."""
    if len(layer.include):
        return any(meets(rule, state) for rule in layer.include)
    return not any(meets(rule, state) for rule in layer.exclude)
