"""Whether this process is one of several that mpirun or srun has started, from their environment variables alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Launched:
    """One process of several.

    Attributes
    ----------
    by: what started them.  rank: from 0.  size: how many there are.  local: the rank among those of this host.
    """

    by: str
    rank: int
    size: int
    local: int


# What started the processes, and where it says rank, number of ranks and rank on the host.  SLURM_NTASKS is no sign of several
# processes: a batch script has it too, and runs once.
LAUNCHERS = (
    ("Open MPI's mpirun", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", ("OMPI_COMM_WORLD_LOCAL_RANK",)),
    ("MPICH's mpirun", "PMI_RANK", "PMI_SIZE", ("MPI_LOCALRANKID", "PMI_LOCAL_RANK")),
    ("srun", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", ("SLURM_LOCALID",)),
)


def launched(environment: Mapping[str, str] | None = None) -> Launched | None:
    """How this process was started as one of several; None where it is alone.  environment: default: the process's own."""
    values = os.environ if environment is None else environment
    for by, rank, size, locals_ in LAUNCHERS:
        if _number(values.get(size)) > 1 and rank in values:
            local = next((_number(values[name]) for name in locals_ if name in values), 0)
            return Launched(by, _number(values[rank]), _number(values[size]), local)
    return None


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isascii() and text.isdecimal() else 0
