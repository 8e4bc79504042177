"""Run a command as a rank of an MPI job: join the job at the start, and print an error of any rank once."""

from __future__ import annotations

import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from netdef.cli.shell import TROUBLE
from netdef.language.diagnostics import NetdefError, Remark

if TYPE_CHECKING:
    from runtime.machine.ranks.ranks import Ranks

Work = Callable[["Ranks | None"], int]
Resumed = Callable[[Path], Work]  # the work that goes on with the run in a directory


def on_all_ranks(work: Work, resumed: Resumed | None = None) -> int:
    """Run some work, which is given this process's ranks; None where mpirun or srun started no other.  Returns the exit code.

    Parameters
    ----------
    resumed: what goes on after a rank was killed, where MPI lets the others live; None: the job ends.

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
    return _run(ranks, work, resumed)


def refuse_ranks(command: str) -> None:
    """End a command that runs in one process where mpirun or srun started several, which would each do all of it.

    Raises
    ------
    NetdefError: they did; on rank 0, the others end without a word.
    """
    from runtime.machine.ranks.launch import launched

    found = launched()
    if found is None:
        return
    if found.rank:
        raise click.exceptions.Exit(TROUBLE)
    message = f"{found.by} started {found.size} processes, and netdef {command} runs in one"
    raise NetdefError(message, hint="start it without mpirun or srun; netdef train takes several")


@contextmanager
def lost_from(out: Path) -> Iterator[None]:
    """Let the error of a rank that was killed know the directory of the run."""
    from runtime.machine.ranks.courier import LostRankError

    try:
        yield
    except LostRankError as lost:
        lost.out = out
        raise


def _run(ranks: Ranks, work: Work, resumed: Resumed | None) -> int:
    """Run the work, with fewer and fewer ranks where some are killed.  Returns the exit code."""
    from runtime.machine.ranks.courier import LostRankError

    whole, out = ranks, None
    while True:
        if not ranks.first:
            warnings.simplefilter("ignore", Remark)
        try:
            code = work(ranks)
            ranks.exchange("done")  # nobody ends while another may still fail
            ranks.close()
            return code if ranks is whole else _leave(code)
        except LostRankError as error:
            out = error.out or out
        except BaseException as error:
            if ranks is not whole:
                _leave(_failed_after_loss(ranks, error))
            return _failed(ranks, error)
        ranks, gone = ranks.survivors()
        try:
            work = _go_on(ranks, gone, out, resumed)
        except LostRankError:
            continue  # one more, meanwhile: the work ends at its first message, and those that are left go on
        except NetdefError as error:
            return _leave(_failed(ranks, error))


def _failed_after_loss(ranks: Ranks, error: BaseException) -> int:
    """As `_failed`, but nothing is raised, so that this process can leave.  Returns the exit code."""
    try:
        return _failed(ranks, error)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
        return 1


def _leave(code: int) -> NoReturn:
    """End this process without MPI_Finalize, which may wait for a rank that was killed."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _go_on(left: Ranks, gone: Sequence[str], out: Path | None, resumed: Resumed | None) -> Work:
    """What the ranks that are left do.

    Raises
    ------
    NetdefError: they do not go on, or have nothing to go on from.
    """
    from netdef.weights.snapshots import snapshots_in

    found = next((one for one in left.exchange(out) if one is not None), None)
    names = f"{' and '.join(gone)} {'was' if len(gone) == 1 else 'were'} killed, or lost with the host"
    if resumed is None:
        raise NetdefError(names, hint="--resume latest goes on from the last snapshot")
    if found is None or not left.broadcast(left.first and bool(snapshots_in(found))):
        raise NetdefError(f"{names}, before there was a snapshot to go on from", hint="start the run again")
    if left.first:
        click.echo(f"{names}: {left.text()} go on from the last snapshot", err=True)
    return resumed(found)


def _failed(ranks: Ranks, error: BaseException) -> int:
    """End this rank by an error, and with it all others.  Returns the exit code."""
    from runtime.machine.ranks.courier import RankError

    aborted = isinstance(error, NetdefError) and error.__cause__ is not None  # by a library, not by a check of ours
    if aborted and isinstance(ranks.courier.failure, RankError):  # which is why this rank's own card gave up
        error = ranks.courier.failure
    is_ours = isinstance(error, NetdefError)
    if ranks.first and is_ours:
        click.echo(str(error), err=True)
        sys.stderr.flush()
    if not ranks.fail(error):  # some rank does not answer, or is busy for long
        from runtime.machine.ranks.ranks import text_of

        if not ranks.first and not isinstance(error, RankError):
            click.echo(f"error: {ranks.name}: {text_of(error)}", err=True)
            sys.stderr.flush()
        ranks.abort(TROUBLE)
    ranks.close()
    if not is_ours:
        raise error
    return TROUBLE
