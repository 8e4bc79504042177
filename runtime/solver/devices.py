"""The devices that a solver file's solver_mode and device_id select."""

from __future__ import annotations

from typing import Any

from netdef.solver_file import device_of
from runtime.machine.open import Choice, default_devices


def choose_devices(given: str | None, solver: Any, local: int = 0) -> Choice:
    """The devices to train on.

    --devices overrides the solver's preference; a GPU that only the solver asks for is not worth failing for.

    Parameters
    ----------
    local: the rank of this process on its host, whose card it is by default.
    """
    if given is not None:
        return Choice(given)
    if not solver.HasField("solver_mode"):
        return default_devices(local)
    if solver.solver_mode != solver.GPU:
        return Choice("cpu")
    card = device_of(solver) or local
    choice = default_devices(card)
    if choice.devices != "cpu":
        return choice
    return Choice("cpu", choice.why or f"the GPU {card} that solver_mode asks for is not here")
