"""A command as one of the ranks of an MPI job: joined at its start, and an error of any rank on the screen once."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from netdef.cli.shell import TROUBLE
from netdef.language.diagnostics import NetdefError, Remark

if TYPE_CHECKING:
    from runtime.machine.ranks.ranks import Ranks


def on_all_ranks(work: Callable[[Ranks | None], int]) -> int:
    """Run some work, which is given this process's ranks; None where mpirun or srun started no other.  Returns the exit code.

    Raises
    ------
    NetdefError: the work did, and this process is alone or rank 0.
    """
    from runtime.machine.ranks.launch import launched

    found = launched()
    if found is None:
        return work(None)
    from runtime.machine.ranks.mpi import join

    try:
        ranks = join()
    except NetdefError:
        if found.rank:  # all ranks have the same error
            return TROUBLE
        raise
    assert ranks is not None
    if not ranks.first:
        warnings.simplefilter("ignore", Remark)
    try:
        code = work(ranks)
    except BaseException as error:
        return _failed(ranks, error)
    ranks.exchange("done")  # nobody ends while another may still fail
    ranks.close()
    return code


def _failed(ranks: Ranks, error: BaseException) -> int:
    """End this rank by an error, and with it all others.  Returns the exit code."""
    is_ours = isinstance(error, NetdefError)
    if ranks.first and is_ours:
        click.echo(str(error), err=True)
        sys.stderr.flush()
    if not ranks.fail(error):  # some rank does not answer
        ranks.abort(TROUBLE)
    ranks.close()
    if not is_ours:
        raise error
    return TROUBLE
