"""A snapshot as a whole: its weights, the solver's state and the side file, written and read together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netdef.language.diagnostics import NetdefError, UnreadableError, unreadable
from netdef.language.writing import replacing
from netdef.weights import read_weights
from netdef.weights.checksums import STATE, WEIGHTS, checksum, damage
from netdef.weights.snapshots import side_path, weights_beside
from runtime.machine.weights import MissingWeightsError, read_as_written, write_weights_into
from runtime.ops.update.table import Row
from runtime.solver.histories import check_histories, check_type, read_histories, set_histories
from runtime.solver.snapshot import SnapshotFiles, read_side, side_text
from runtime.solver.solverstate import SolverState, read_solverstate, write_solverstate

if TYPE_CHECKING:
    from netdef.graph.net import Net
    from runtime.machine.executable import Executable


@contextmanager
def naming_lack_of_memory(path: Path) -> Iterator[None]:
    """Too little memory for a snapshot is an error that names it."""
    try:
        yield
    except MemoryError:
        message = f"out of memory: {path} cannot be written"
        raise NetdefError(message, hint="a smaller batch leaves more; snapshots of earlier iterations are whole") from None


def write_snapshot(files: SnapshotFiles, executable: Executable, row: Row, stage: int, side: dict[str, Any]) -> None:
    """Write a snapshot's three files.  Of several ranks, rank 0 writes.

    All are written before the first has its name, and the state has its name last: where it is there the others are whole.

    Parameters
    ----------
    stage: of the rate policy.  side: what Caffe's files have no fields for.
    """
    if executable.ranks is not None and not executable.ranks.first:
        read_as_written(files.weights, executable.net, executable.param)
        read_histories(executable, row)
        return
    with ExitStack() as stack:
        state, beside, weights = (
            stack.enter_context(replacing(path, make_folders=True)) for path in (files.state, files.side, files.weights)
        )
        write_weights_into(weights, executable.net, executable.param, files.hdf5)
        history = read_histories(executable, row)
        write_solverstate(state, SolverState(files.iteration, str(files.weights), stage, history), files.hdf5)
        sums = {WEIGHTS: checksum(weights), STATE: checksum(state)}
        beside.write_text(side_text({**side, "files": sums}), encoding="utf-8")


def read_snapshot(path: Path, net: Net, row: Row) -> tuple[SolverState, dict[str, Any]]:
    """The state and the side file of a snapshot.

    Raises
    ------
    NetdefError: a file is damaged or cannot be read, or the state is of another net or another type of solver.
    """
    state, side = read_whole(path)
    check_type(side.get("type"), row.type, path)
    check_histories(state.history, net, row, path)
    return state, side


def read_whole(path: Path) -> tuple[SolverState, dict[str, Any]]:
    """The state and the side file of a snapshot, all of whose files are as they were written.

    Raises
    ------
    NetdefError: one is not, or cannot be read.
    """
    side = read_side(path)
    _check(path, side, STATE)
    state = read_solverstate(path)
    _check(weights_beside(path, state.learned_net), side, WEIGHTS)
    return state, side


def _check(path: Path, side: dict[str, Any], which: str) -> None:
    """That a file is as it was written, as far as a side file knows."""
    written = side.get("files", {}).get(which)
    try:
        wrong = damage(path, written) if written else ""
    except OSError as error:
        raise unreadable(path, error) from None
    if wrong:
        hint = f"resume from another snapshot; or, if it was changed on purpose, without {side_path(path)}"
        raise NetdefError(f"{path} is not as the run wrote it: {wrong}", hint=hint)


def newest_whole(states: Sequence[Path]) -> tuple[Path, list[str]]:
    """The last of some snapshots that is whole, and why later ones are not.

    Parameters
    ----------
    states: at least one, oldest first.

    Raises
    ------
    NetdefError: none is whole; or, as UnreadableError, it cannot be said of one.
    """
    wrong: list[str] = []
    for state in reversed(states):
        try:
            read, side = read_whole(state)
            if not side.get("files"):
                read_weights(weights_beside(state, read.learned_net))  # of Caffe, or of a netdef before checksums
            return state, wrong
        except UnreadableError:
            raise  # an older one would hide what is to be done
        except NetdefError as error:
            wrong.append(error.diagnostics[0].message)
    raise NetdefError("no snapshot is whole:\n  " + "\n  ".join(wrong), hint="start without --resume, and with another --out")


def restore_arrays(executable: Executable, row: Row, path: Path, state: SolverState) -> None:
    """Overwrite the weights, and the solver's states, by those of a snapshot.

    Raises
    ------
    NetdefError: the weights are missing, damaged or of another net.
    """
    try:
        executable.load_weights(weights_beside(path, state.learned_net))
    except MissingWeightsError as error:
        raise NetdefError(f"{path} is of another net: it has no weights of {', '.join(error.layers)}") from None
    set_histories(executable, row, state.history)
