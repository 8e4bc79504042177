"""What a script says of its processes.  There is one here: several cards are `netdef train`'s."""

from __future__ import annotations

from netdef.language.diagnostics import NetdefError

HINT = "`netdef train --devices gpu:0-3` trains on several cards, `mpirun netdef train` on several machines"


def has_nccl() -> bool:
    """Whether `caffe.NCCL` is there."""
    return False


def solver_count() -> int:
    return 1


def solver_rank() -> int:
    return 0


def set_solver_count(count: int) -> None:
    """Raises NetdefError: it is not 1."""
    if count != 1:
        raise NetdefError(f"set_solver_count({count}): a script of pycaffe trains in one process", hint=HINT)


def set_solver_rank(rank: int) -> None:
    """Raises NetdefError: it is not 0."""
    if rank != 0:
        raise NetdefError(f"set_solver_rank({rank}): a script of pycaffe trains in one process", hint=HINT)


def set_multiprocess(several: bool) -> None:
    """Raises NetdefError: it is true."""
    if several:
        raise NetdefError("set_multiprocess(True): a script of pycaffe trains in one process", hint=HINT)
