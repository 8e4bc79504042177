"""How a process learns that it is one of several."""

from __future__ import annotations

import pytest

from runtime.machine.ranks.launch import Launched, launched


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        (
            {"OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_LOCAL_RANK": "1"},
            Launched("Open MPI's mpirun", 3, 4, 1),
        ),
        ({"PMI_RANK": "1", "PMI_SIZE": "2", "MPI_LOCALRANKID": "1"}, Launched("MPICH's mpirun", 1, 2, 1)),
        ({"SLURM_PROCID": "5", "SLURM_STEP_NUM_TASKS": "8", "SLURM_LOCALID": "2"}, Launched("srun", 5, 8, 2)),
        # One process alone, and a batch script of Slurm's, which runs once whatever it was given.
        ({"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "1"}, None),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "8", "SLURM_LOCALID": "0"}, None),
        ({"OMPI_COMM_WORLD_SIZE": "many", "OMPI_COMM_WORLD_RANK": "0"}, None),
        # srun starts Open MPI's processes by PMIx: both say it, and the same.
        (
            {"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2", "OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"},
            Launched("Open MPI's mpirun", 1, 2, 0),
        ),
    ],
)
def test_launched(environment: dict[str, str], expected: Launched | None) -> None:
    assert launched(environment) == expected
