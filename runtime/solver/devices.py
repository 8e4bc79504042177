"""Which device a solver file's solver_mode and device_id come to."""

from typing import Any

DEFAULT = "cpu"


def choose_devices(given: str | None, solver: Any) -> tuple[str, str]:
    """The devices to train on, and what to tell the user about the choice ("" for nothing).

    --devices overrides the solver's preference; a GPU that is not here is not worth failing for.
    """
    if given is not None and not given.startswith("gpu"):
        return given, ""
    if given is not None:
        return DEFAULT, f"{given} is not available here: running on the CPU"
    if solver.HasField("solver_mode") and solver.solver_mode == solver.GPU:
        return DEFAULT, f"solver_mode asks for GPU {solver.device_id}, which is not available here: running on the CPU"
    return DEFAULT, ""
